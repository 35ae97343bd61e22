import { EventEmitter } from 'node:events';
import type { Duplex } from 'node:stream';
import type { Backend } from './backends/backend.js';
import { type Clock, systemClock } from './clock.js';
import { Debounce } from './debounce.js';
import { MeshError } from './errors.js';
import { Firewall } from './firewall/firewall.js';
import type { Link, LinkOwner } from './link/link.js';
import { BackendRunner } from './link/runner.js';
import type { LinkEnd } from './link/state.js';
import { type Logger, silentLogger } from './logger.js';
import { Advertising, type OwnAdvertisement, streamAdvertisement } from './node/advertising.js';
import { type BackendSettings, checkIdleLimit, checkNodeId, linkRules } from './node/checks.js';
import type { NodeEvents } from './node/events.js';
import { Neighbours } from './node/neighbours.js';
import type { DialOptions, ListenOptions, NetceptorOptions, RunningBackend } from './node/options.js';
import { Routing } from './node/routing.js';
import type { NodeStatus } from './node/status.js';
import type { PacketConnection } from './packet/packet-connection.js';
import { PacketLayer } from './packet/packet-layer.js';
import { type PingOptions, type PingResult, ping, traceroute } from './packet/ping.js';
import { newEpoch, type Random, secureRandom } from './random.js';
import { Router } from './routing/router.js';
import type { RoutingTable } from './routing/shortest-paths.js';
import { dialStream } from './stream/dial.js';
import { KnownPaths } from './stream/known-paths.js';
import { Lingering } from './stream/lifetime.js';
import { type ServeStream, StreamListener } from './stream/listener.js';
import type { RoutingUpdate } from './wire/routing-update.js';

/** How often links are looked at for silence (reference: mesh, 2.6). */
const IDLE_CHECK = 5000;
const MAX_NODES = 100_000;
/** For what they say of their links, so that few of them that have many do not take all memory. */
const MAX_LINK_BYTES = 256 * 1024 * 1024;
/** A node that was not heard of for this long is forgotten; it was not in reach long before. */
const FORGET_AFTER = 300_000;

/**
 * A node of the mesh. It has neighbours through its backends, finds ways to all other nodes, and carries packets.
 *
 * ```ts
 * const node = new Netceptor({ id: 'alpha' });
 * await node.addBackend(new TcpListener({ port: 27199 }));
 * node.on('nodeAppeared', (id) => console.log(id));
 * ```
 */
export class Netceptor extends EventEmitter<NodeEvents> {
  /** The node's ID. */
  readonly id: string;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #random: Random;
  readonly #idleLimit: number;
  readonly #router: Router;
  readonly #packets: PacketLayer;
  readonly #neighbours: Neighbours;
  readonly #routing: Routing;
  readonly #advertising: Advertising;
  readonly #idleCheck: Debounce;
  readonly #lingering = new Lingering();
  readonly #paths = new KnownPaths((node) => this.isReachable(node));
  readonly #runners = new Set<BackendRunner>();
  readonly #owner: LinkOwner & { ended(link: Link, end: LinkEnd): void };
  #closing: Promise<void> | undefined;

  /** @throws MeshError `RECEPTOR_MESH_OPTIONS` when a setting is not valid */
  constructor(options: NetceptorOptions) {
    super();
    const { id, log = silentLogger, clock = systemClock, random = secureRandom } = options;
    this.id = checkNodeId(id);
    this.#log = log;
    this.#clock = clock;
    this.#random = random;
    this.#idleLimit = checkIdleLimit(options.maxIdleTime);
    this.#neighbours = new Neighbours(id, clock);
    const firewall = new Firewall(options.firewallRules);
    this.#packets = new PacketLayer({ nodeId: id, firewall, log, random });
    this.#router = new Router({
      nodeId: id,
      epoch: newEpoch(clock.now(), random),
      limits: { nodes: MAX_NODES, bytes: MAX_LINK_BYTES, forgetAfter: FORGET_AFTER },
    });
    this.#routing = new Routing({
      nodeId: id,
      clock,
      log,
      random,
      router: this.#router,
      names: this.#packets.names,
      neighbours: this.#neighbours,
      onRoutes: (table, before) => this.#tellRoutes(table, before),
      onDuplicate: () => this.#stopAsDuplicate(),
    });
    this.#advertising = new Advertising({
      nodeId: id,
      clock,
      log,
      neighbours: this.#neighbours,
      isReachable: (node) => this.#routing.table.has(node),
      hasCircle: () => this.#router.hasCircle(),
      onChange: (outcome, advertisement) => this.emit('advertisement', { kind: outcome, advertisement }),
    });
    const checkIdle = () => this.#neighbours.checkIdle();
    this.#idleCheck = new Debounce(clock, { soon: 0, apart: 0, period: IDLE_CHECK }, checkIdle);
    this.#owner = this.#linkOwner();
  }

  /**
   * Lets the node have neighbours through a backend.
   * @returns once a listener listens; a dialler goes on trying until it is stopped
   * @throws MeshError `RECEPTOR_MESH_OPTIONS` when a cost is not positive, `RECEPTOR_MESH_BACKEND` when it cannot listen,
   *   `RECEPTOR_MESH_CLOSED`
   */
  async addBackend(backend: Backend, settings: BackendSettings = {}): Promise<RunningBackend> {
    this.#assertOpen();
    const runner = new BackendRunner({
      backend,
      rules: linkRules(this.id, settings, this.#idleLimit),
      owner: this.#owner,
      clock: this.#clock,
      log: this.#log,
      random: this.#random,
    });
    this.#runners.add(runner);
    try {
      const address = await runner.start();
      return { address, stop: () => this.#stopRunner(runner) };
    } catch (error) {
      this.#runners.delete(runner);
      throw error;
    }
  }

  /**
   * Opens a service of packets; an empty name stands for any that is free. It is told to the mesh only when an
   * advertisement is given.
   * @throws MeshError `RECEPTOR_MESH_SERVICE_IN_USE`, `RECEPTOR_MESH_SERVICE_NAME` (over 8 bytes), `RECEPTOR_MESH_CLOSED`
   */
  openPacket(service = '', advertisement?: OwnAdvertisement): PacketConnection {
    this.#assertOpen();
    const connection = this.#packets.open(service);
    if (advertisement) {
      this.#advertising.add(connection.service, advertisement);
      connection.once('close', () => this.#advertising.remove(connection.service));
    }
    return connection;
  }

  /**
   * Offers a service that streams can be opened to: every one is given to `serve`, as a Duplex with half-close. It is told to
   * the mesh only when tags are given.
   * @param service up to 8 bytes; empty for any name that is free
   * @throws MeshError `RECEPTOR_MESH_SERVICE_IN_USE`, `RECEPTOR_MESH_SERVICE_NAME`, `RECEPTOR_MESH_CLOSED`
   */
  listen(service: string, serve: ServeStream, options: ListenOptions = {}): StreamListener {
    const packets = this.openPacket(service, streamAdvertisement(options));
    const { tls } = options;
    return new StreamListener({ ...this.#streamContext(), packets, serve, tls });
  }

  /**
   * Opens a stream to a service of a node, `localhost` for this one. `end()` closes the own half only. What ends the stream
   * before it is complete is an error on it: a `QuicError` that says how.
   * @throws MeshError `RECEPTOR_MESH_NO_ROUTE`, `RECEPTOR_MESH_SERVICE_UNKNOWN`, `RECEPTOR_MESH_SERVICE_NAME`,
   *   `RECEPTOR_MESH_BLOCKED`, `RECEPTOR_MESH_TIMEOUT` (15 seconds without an answer), `RECEPTOR_MESH_TLS`,
   *   `RECEPTOR_MESH_STREAM`, `RECEPTOR_MESH_ABORTED`, `RECEPTOR_MESH_CLOSED`
   */
  async dial(node: string, service: string, { tls, signal }: DialOptions = {}): Promise<Duplex> {
    // Answers come from the node's ID, whatever it is called here.
    const target = node.toLowerCase() === 'localhost' ? this.id : node;
    return dialStream({
      ...this.#streamContext(),
      packets: this.openPacket(),
      node: target,
      service,
      tls,
      signal,
    });
  }

  /** What is told of a service has changed, such as its types of work: tells it soon. */
  advertisementChanged(): void {
    this.#advertising.changed();
  }

  /** Asks a node for a sign of life. That there is none is a result too, with its `error`. */
  ping(target: string, options?: PingOptions): Promise<PingResult> {
    this.#assertOpen();
    return ping(this.#packets.open(''), this.id, target, this.#clock, options);
  }

  /** The nodes on the way to another, one after the other; the last has an `error` when the target was not reached. */
  traceroute(target: string, options: Omit<PingOptions, 'hops'> = {}): AsyncGenerator<PingResult> {
    return traceroute((hops) => this.ping(target, { ...options, hops }));
  }

  /** The ways to the nodes in reach now; a new table whenever they change. */
  get routes(): RoutingTable {
    return this.#routing.table;
  }

  /** What the node knows of the mesh now. */
  status(): NodeStatus {
    return {
      nodeId: this.id,
      connections: [...this.#neighbours.all()].map(({ peer, cost }) => ({ nodeId: peer, cost })),
      routes: this.#routing.table,
      knownConnections: this.#router.knownConnections(),
      advertisements: this.#advertising.all(),
      packets: { ...this.#packets.counters },
    };
  }

  /** Whether a node can be reached, as far as this one knows. */
  isReachable(node: string): boolean {
    return node === this.id || node.toLowerCase() === 'localhost' || this.#routing.table.has(node);
  }

  /** Ends all links, telling the peers so that they drop them at once, and all services. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  #streamContext() {
    return {
      nodeId: this.id,
      clock: this.#clock,
      log: this.#log,
      lingering: this.#lingering,
      paths: this.#paths,
    };
  }

  async #close(): Promise<void> {
    this.#routing.stop();
    this.#advertising.stop();
    this.#idleCheck.stop();
    this.#packets.close();
    await Promise.all([...this.#runners].map((runner) => this.#stopRunner(runner)));
    this.emit('closed');
  }

  async #stopRunner(runner: BackendRunner): Promise<void> {
    this.#runners.delete(runner);
    await runner.stop();
  }

  #assertOpen(): void {
    if (this.#closing !== undefined) throw new MeshError('RECEPTOR_MESH_CLOSED', 'netceptor shutdown');
  }

  #stopAsDuplicate(): void {
    this.emit('duplicate');
    void this.close();
  }

  #linkOwner(): LinkOwner & { ended(link: Link, end: LinkEnd): void } {
    return {
      introduction: () => this.#routing.introduction(),
      occupancy: (peer) => this.#neighbours.occupancy(peer),
      isRepeated: (nodeId, updateId) => this.#router.isRepeated(nodeId, updateId),
      established: (link, peer, cost) => this.#linkUp(link, peer, cost),
      update: (link: Link, update: RoutingUpdate) => this.#routing.receive(link, update),
      advertisement: (link, message) => this.#advertising.receive(link, message),
      data: (_link, message) => this.#packets.receive(message),
      drained: () => this.#packets.drained(),
      ended: (link, end) => this.#linkDown(link, end),
    };
  }

  #linkUp(link: Link, peer: string, cost: number): void {
    this.#log.info(`Connection established with ${peer}`);
    this.#neighbours.add(peer, link, cost);
    this.#routing.linkUp(link, peer, cost);
    this.#advertising.linkUp(link);
    this.emit('linkUp', { peer, cost, remote: link.remote });
  }

  #linkDown(link: Link, end: LinkEnd): void {
    if (end.kind === 'idle') this.#log.warning(`Timing out connection ${link.peer}, ${end.reason}`);
    else if (end.kind === 'no-answer') this.#log.warning(end.reason);
    else if (end.kind === 'ended' || end.kind === 'stopped') this.#log.debug(`Backend: ${end.reason}`);
    else this.#log.error(`Backend error: ${end.reason}`);
    const { peer } = link;
    if (peer === undefined || !this.#neighbours.remove(link)) return;
    this.#routing.linkDown(peer);
    this.emit('linkDown', { peer, kind: end.kind, reason: end.reason, remote: link.remote });
  }

  #tellRoutes(table: RoutingTable, before: RoutingTable): void {
    this.#packets.drained();
    let changed = false;
    for (const [node, { nextHop, cost }] of table) {
      const old = before.get(node);
      if (old?.nextHop !== nextHop || old.cost !== cost) {
        changed = true;
        this.#paths.forget(node);
      }
      if (!old) this.emit('nodeAppeared', node);
    }
    for (const node of before.keys()) {
      if (table.has(node)) continue;
      changed = true;
      this.#paths.forget(node);
      this.emit('nodeVanished', node);
    }
    if (changed) this.emit('routesChanged', table);
  }
}
