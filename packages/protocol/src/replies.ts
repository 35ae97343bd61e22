import { MalformedLineError } from './command-line.js';
import { encodeGoMap, goMap } from './go-json.js';
import { stateName, type UnitReport, type UnitStatus } from './unit.js';

/** A work type as a service advertisement names it (reference: control, 2). */
export interface AdvertisedWorkType {
  WorkType: string;
  /** Whether the node verifies signatures of submits of this type. */
  Secure: boolean;
}

/** A service of the mesh, as `status` shows it (reference: control, 2). */
export interface ServiceAdvertisement {
  NodeID: string;
  Service: string;
  /** RFC 3339 with nanoseconds. */
  Time: string;
  /** 0 datagram, 1 stream, 2 stream with user TLS. */
  ConnType: number;
  Tags: Readonly<Record<string, string>> | null;
  WorkCommands: readonly AdvertisedWorkType[] | null;
}

/** A neighbour, as `status` shows it (reference: control, 2). */
export interface ConnectionReport {
  NodeID: string;
  Cost: number;
}

/** The reply to `status` (reference: control, 2). A daemon may add members of its own. */
export interface StatusReply {
  Advertisements: readonly ServiceAdvertisement[] | null;
  Connections: readonly ConnectionReport[] | null;
  KnownConnectionCosts: Readonly<Record<string, Readonly<Record<string, number>>>>;
  NodeID: string;
  /** Node -> next hop. */
  RoutingTable: Readonly<Record<string, string>>;
  SystemCPUCount: number;
  SystemMemoryMiB: number;
  /** Empty in an unstamped build of the Go daemon. */
  Version: string;
}

/** The reply to `ping` (reference: control, 3). */
export type PingReply =
  | { Success: true; From: string; Time: number; TimeStr: string }
  | { Success: false; Error: string };

/** One hop of a traceroute; `Error` where the way ends (reference: control, 3). */
export interface TracerouteHop {
  Error?: string;
  From: string;
  /** Nanoseconds. */
  Time: number;
  /** {@link TracerouteHop.Time} as a Go duration. */
  TimeStr: string;
}

/** The reply to `traceroute`: hop number -> hop (reference: control, 3). */
export type TracerouteReply = Readonly<Record<string, TracerouteHop>>;

/** The reply to `reload`; an error ends in `ERRORCODE n` (reference: control, 5). */
export type ReloadReply = { Success: true } | { Success: false; Error: string };

/** The last reply of a submit (reference: control, 7). */
export interface SubmitReply {
  /** `Job Started`, or `Job Submitted` when the start goes on in the background. */
  result: string;
  unitid: string;
}

/** The reply to `work list`: unit ID -> unit (reference: control, 6). */
export type WorkListReply = Readonly<Record<string, UnitReport>>;

/** The reply to `work cancel` (reference: control, 6). */
export type CancelReply = { cancelled: string } | { 'cancel pending': string };

/** The reply to `work release` and `work force-release` (reference: control, 6). */
export type ReleaseReply = { released: string } | { 'release pending': string };

/** What the server says when `connect` has reached the service (reference: control, 4). */
export const CONNECTING_LINE = 'Connecting\n';

/** The first line of a server (reference: control, 1). */
export function greetingLine(nodeId: string): string {
  return `Receptor Control, node ${nodeId}\n`;
}

/** The first reply to a submit (reference: control, 7). */
export function unitCreatedLine(unitId: string): string {
  return `Work unit created with ID ${unitId}. Send stdin data and EOF.\n`;
}

/** The line before a unit's output (reference: control, 8). */
export function streamingLine(unitId: string): string {
  return `Streaming results for work unit ${unitId}\n`;
}

/** Any reply whose members need no order of their own: one line of JSON with sorted keys. */
export function encodeReply(
  reply:
    | PingReply
    | ReloadReply
    | SubmitReply
    | CancelReply
    | ReleaseReply
    | Readonly<Record<string, unknown>>,
): string {
  return `${encodeGoMap<unknown>({ ...reply })}\n`;
}

/** The reply to `status`; members left out are not asked for (reference: control, 2). */
export function encodeStatusReply(status: Partial<StatusReply>): string {
  const { Advertisements, Connections, KnownConnectionCosts, RoutingTable } = status;
  const reply: Record<string, unknown> = { ...status };
  if (Advertisements)
    reply.Advertisements = Advertisements.map((ad) => ({
      ...{ NodeID: ad.NodeID, Service: ad.Service, Time: ad.Time, ConnType: ad.ConnType },
      Tags: ad.Tags && goMap(ad.Tags),
      WorkCommands: ad.WorkCommands?.map(({ WorkType, Secure }) => ({ WorkType, Secure })) ?? null,
    }));
  if (Connections) reply.Connections = Connections.map(({ NodeID, Cost }) => ({ NodeID, Cost }));
  if (KnownConnectionCosts)
    reply.KnownConnectionCosts = new Map(
      Object.entries(KnownConnectionCosts).map(([node, costs]) => [node, goMap(costs)]),
    );
  if (RoutingTable) reply.RoutingTable = goMap(RoutingTable);
  return encodeReply(reply);
}

/** The reply to `traceroute`. */
export function encodeTracerouteReply(hops: TracerouteReply): string {
  return encodeReply(
    Object.fromEntries(Object.entries(hops).map(([hop, at]) => [hop, new Map(Object.entries(at))])),
  );
}

/** A status as `work status` and `work list` report it, with the name of its state. */
export function unitReport(status: UnitStatus): UnitReport {
  const { Detail, ExtraData, State, StdoutSize, WorkType } = status;
  return { Detail, ExtraData, State, StateName: stateName(State), StdoutSize, WorkType };
}

/** The reply to `work status`. ExtraData's own members keep their order. */
export function encodeUnitReply(unit: UnitReport): string {
  return encodeReply({ ...unit });
}

/** The reply to `work list`. */
export function encodeWorkListReply(units: WorkListReply): string {
  return `${encodeGoMap(units, (unit) => encodeGoMap<unknown>({ ...unit }))}\n`;
}

/**
 * The reply to a command that failed: `ERROR: <message>` and a newline. A line that was no command gets
 * `ERROR: Unknown command` as well, as the Go daemon answers it (reference: control, 1.1).
 */
export function errorReply(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  // A line end within the message would look like another reply.
  const line = `ERROR: ${message.replace(/\s*[\r\n]+\s*/g, ' ')}\n`;
  return error instanceof MalformedLineError ? `${line}ERROR: Unknown command\n` : line;
}
