import type { Duplex } from 'node:stream';
import type { AdvertisedWorkType, PingReply, ServiceAdvertisement, TracerouteHop } from '@receptor/protocol';

/** A service of this node, as the mesh would hear of it. */
export interface OwnService {
  readonly name: string;
  /** Whether it asks for TLS. */
  readonly tls: boolean;
}

/** What a node knows of others. */
export interface MeshSnapshot {
  /** The services of other nodes. */
  readonly advertisements: readonly ServiceAdvertisement[];
  readonly connections: readonly { readonly NodeID: string; readonly Cost: number }[];
  readonly knownConnectionCosts: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** Node -> next hop. */
  readonly routingTable: Readonly<Record<string, string>>;
}

/** What the commands say about the node. Replaced by another object whenever anything in it changes. */
export interface NodeSnapshot {
  readonly nodeId: string;
  readonly version: string;
  /** Control services, in the order of the configuration. */
  readonly services: readonly OwnService[];
  readonly workTypes: readonly AdvertisedWorkType[];
  /** Absent on a node that can have no links. */
  readonly mesh?: MeshSnapshot;
}

/** The node, as commands see it. */
export interface NodeView {
  readonly snapshot: NodeSnapshot;
  /** Asks a node for a sign of life. */
  ping(target: string, signal: AbortSignal): Promise<PingReply> | PingReply;
  /** The nodes on the way to another, in their order. */
  traceroute(target: string, signal: AbortSignal): AsyncIterable<TracerouteHop> | Iterable<TracerouteHop>;
  /**
   * Opens a stream to a service.
   * @param tlsClient names the section that says how to speak TLS there
   * @throws ReceptorError `RECEPTOR_CONNECT_FAILED` in the words of the mesh
   */
  dial(node: string, service: string, tlsClient: string | undefined, signal: AbortSignal): Promise<Duplex>;
}

/** Whether a client means this node; `localhost` does in any case (reference: control, 3). */
export function isOwnNode(node: string, nodeId: string): boolean {
  return node === nodeId || node.toLowerCase() === 'localhost';
}
