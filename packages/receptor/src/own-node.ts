import type { Duplex } from 'node:stream';
import type { Netceptor, TlsServerProfile } from '@receptor/netceptor';
import type { PingReply, TracerouteHop } from '@receptor/protocol';
import type { NodeSnapshot, NodeView } from './control/node-view.js';
import { LocalNode, type ServeStream } from './local-node.js';
import { MeshNode, type MeshNodeOptions } from './mesh-node.js';

type AddService = Parameters<MeshNode['addService']>;

/** The daemon's node: one without links until there is something to have links with, and from then on one of the mesh. */
export class OwnNode implements NodeView {
  readonly #options: MeshNodeOptions;
  readonly #onJoin: (netceptor: Netceptor) => void;
  readonly #services: AddService[] = [];
  #node: LocalNode | MeshNode;
  #joining: Promise<Netceptor> | undefined;

  /** @param onJoin is given the node of the mesh as soon as there is one */
  constructor(options: MeshNodeOptions, onJoin: (netceptor: Netceptor) => void) {
    this.#options = options;
    this.#onJoin = onJoin;
    this.#node = new LocalNode(options.id, options.version, options.workceptor);
  }

  get id(): string {
    return this.#node.id;
  }

  get snapshot(): NodeSnapshot {
    return this.#node.snapshot;
  }

  /**
   * Makes it a node of the mesh, unless it is one; its services are offered there too.
   * @throws ReceptorError `RECEPTOR_CONFIG_INVALID` in the words of the Go daemon
   */
  join(): Promise<Netceptor> {
    this.#joining ??= this.#join();
    return this.#joining;
  }

  /** Has to be told when a work type was added. */
  changed(): void {
    this.#node.changed();
  }

  /** @throws ReceptorError `RECEPTOR_CONFIG_INVALID` when there is a service of that name */
  addService(name: string, serve: ServeStream, tls?: TlsServerProfile): void {
    this.#node.addService(name, serve, tls);
    this.#services.push([name, serve, tls]);
  }

  ping(target: string, signal: AbortSignal): Promise<PingReply> | PingReply {
    return this.#node.ping(target, signal);
  }

  traceroute(target: string, signal: AbortSignal): AsyncIterable<TracerouteHop> | Iterable<TracerouteHop> {
    return this.#node.traceroute(target, signal);
  }

  dial(node: string, service: string, tlsClient: string | undefined, signal: AbortSignal): Promise<Duplex> {
    return this.#node.dial(node, service, tlsClient, signal);
  }

  close(): Promise<void> {
    return this.#node.close();
  }

  async #join(): Promise<Netceptor> {
    const node = await MeshNode.create(this.#options);
    for (const service of this.#services) node.addService(...service);
    this.#node = node;
    this.#onJoin(node.netceptor);
    return node.netceptor;
  }
}
