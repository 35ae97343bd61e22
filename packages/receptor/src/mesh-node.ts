import type { Duplex } from 'node:stream';
import type { Advertisement, Netceptor, PingResult, TlsServerProfile } from '@receptor/netceptor';
import {
  formatDuration,
  type PingReply,
  parseDurationMs,
  ReceptorError,
  type ServiceAdvertisement,
  type TracerouteHop,
} from '@receptor/protocol';
import type { Logger, Workceptor } from '@receptor/workceptor';
import { configError } from './config/item.js';
import type { Settings } from './config/sections/index.js';
import { localTimestampOf } from './control/local-timestamp.js';
import type { MeshSnapshot, NodeSnapshot, NodeView, OwnService } from './control/node-view.js';
import { checkDialledService, type ServeStream, serviceInUse } from './local-node.js';
import type { TlsProfiles } from './tls-profiles.js';

/** What a {@link MeshNode} is made of. */
export interface MeshNodeOptions {
  readonly id: string;
  readonly version: string;
  readonly settings: Settings<'node'>;
  readonly tls: TlsProfiles;
  readonly workceptor: Pick<Workceptor, 'workTypes'>;
  readonly log: Logger;
}

/** A node of the mesh. */
export class MeshNode implements NodeView {
  readonly netceptor: Netceptor;
  readonly #options: MeshNodeOptions;
  readonly #services: OwnService[] = [];

  private constructor(netceptor: Netceptor, options: MeshNodeOptions) {
    this.netceptor = netceptor;
    this.#options = options;
  }

  /** @throws ReceptorError `RECEPTOR_CONFIG_INVALID` in the words of the Go daemon */
  static async create(options: MeshNodeOptions): Promise<MeshNode> {
    const { id, log, settings } = options;
    // Takes a while to load; nodes without links do without it.
    const { Netceptor, parseFirewallRules } = await import('@receptor/netceptor');
    try {
      const netceptor = new Netceptor({
        id,
        log,
        firewallRules: parseFirewallRules(settings.firewallrules),
        ...(settings.maxidleconnectiontimeout && {
          maxIdleTime: parseDurationMs(settings.maxidleconnectiontimeout),
        }),
      });
      return new MeshNode(netceptor, options);
    } catch (error) {
      throw configError(error instanceof Error ? error.message : String(error), error);
    }
  }

  get id(): string {
    return this.#options.id;
  }

  /** Made anew each time: what other nodes say changes without this one being asked. */
  get snapshot(): NodeSnapshot {
    const { id, version, workceptor } = this.#options;
    return {
      nodeId: id,
      version,
      services: this.#services,
      workTypes: workceptor.workTypes(),
      mesh: this.#mesh(),
    };
  }

  /** Tells the mesh of work types that were added. */
  changed(): void {
    this.netceptor.advertisementChanged();
  }

  /** @throws ReceptorError `RECEPTOR_CONFIG_INVALID` when there is a service of that name */
  addService(name: string, serve: ServeStream, tls?: TlsServerProfile): void {
    try {
      this.netceptor.listen(name, (stream, { node, service }) => serve(stream, `${node}:${service}`), {
        ...(tls && { tls }),
        tags: { type: 'Control Service' },
        workCommands: () =>
          this.#options.workceptor
            .workTypes()
            .map(({ WorkType, Secure }) => ({ workType: WorkType, secure: Secure })),
      });
    } catch (error) {
      if (hasCode(error, 'RECEPTOR_MESH_SERVICE_IN_USE')) throw serviceInUse(name);
      throw configError(`error opening Unix socket: ${messageOf(error)}`, error);
    }
    this.#services.push({ name, tls: tls !== undefined });
  }

  async ping(target: string, signal: AbortSignal): Promise<PingReply> {
    const { from, error, ...result } = await this.netceptor.ping(target, { signal });
    return error ? { Success: false, Error: error.message } : { Success: true, From: from, ...took(result) };
  }

  async *traceroute(target: string, signal: AbortSignal): AsyncGenerator<TracerouteHop> {
    for await (const { from, error, ...result } of this.netceptor.traceroute(target, { signal }))
      yield { ...(error && { Error: error.message }), From: from, ...took(result) };
  }

  async dial(
    node: string,
    service: string,
    tlsClient: string | undefined,
    signal: AbortSignal,
  ): Promise<Duplex> {
    const tls = tlsClient === undefined ? undefined : this.#options.tls.clients.get(tlsClient);
    if (tlsClient !== undefined && !tls)
      throw new ReceptorError('RECEPTOR_CONNECT_FAILED', `unknown TLS config ${tlsClient}`);
    checkDialledService(service);
    try {
      return await this.netceptor.dial(node, service, {
        ...(tls && { tls }),
        signal,
      });
    } catch (error) {
      throw new ReceptorError('RECEPTOR_CONNECT_FAILED', messageOf(error), { cause: error });
    }
  }

  close(): Promise<void> {
    return this.netceptor.close();
  }

  #mesh(): MeshSnapshot {
    const { connections, routes, knownConnections, advertisements } = this.netceptor.status();
    return {
      advertisements: advertisements.filter(({ nodeId }) => nodeId !== this.id).map(advertisementReply),
      connections: connections.map(({ nodeId, cost }) => ({ NodeID: nodeId, Cost: cost })),
      knownConnectionCosts: Object.fromEntries(
        [...knownConnections].map(([node, costs]) => [node, Object.fromEntries(costs)]),
      ),
      routingTable: Object.fromEntries([...routes].map(([node, { nextHop }]) => [node, nextHop])),
    };
  }
}

function advertisementReply(advertisement: Advertisement): ServiceAdvertisement {
  const { nodeId, service, time, connectionType, tags, workCommands } = advertisement;
  return {
    NodeID: nodeId,
    Service: service,
    Time: localTimestampOf(time),
    ConnType: connectionType,
    Tags: tags && Object.fromEntries(tags),
    WorkCommands:
      workCommands?.map(({ workType, secure }) => ({ WorkType: workType, Secure: secure })) ?? null,
  };
}

function took({ milliseconds }: Pick<PingResult, 'milliseconds'>): { Time: number; TimeStr: string } {
  const time = Math.round(milliseconds * 1e6);
  return { Time: time, TimeStr: formatDuration(BigInt(time)) };
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const hasCode = (error: unknown, code: string): boolean =>
  error instanceof Error && 'code' in error && error.code === code;
