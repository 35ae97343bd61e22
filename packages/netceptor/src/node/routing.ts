import type { Clock } from '../clock.js';
import { Debounce } from '../debounce.js';
import type { Link } from '../link/link.js';
import { type Logger, silentLogger } from '../logger.js';
import type { Names } from '../packet/names.js';
import type { Way } from '../packet/packet-layer.js';
import { type Random, randomName } from '../random.js';
import { Recent } from '../routing/recent.js';
import type { Router } from '../routing/router.js';
import type { RoutingTable } from '../routing/shortest-paths.js';
import { encodeRoutingUpdate, type RoutingUpdate } from '../wire/routing-update.js';
import type { Neighbours } from './neighbours.js';

/** A node tells of its links this often (reference: mesh, 4.2). */
const UPDATE_PERIOD = 10_000;
/** What changes is told at once when all was quiet, and otherwise not more often than a Go node does. */
const SOON = 5;
const APART = 100;
/** To find ways must not be all that a node does, however large somebody says that the mesh is and however often it changes. */
const REST = 10;
/** Newcomers are told of by their neighbours; that every node tells them of itself as well has time, more in a big mesh. */
const ANNOUNCE_FIRST = 100;
const ANNOUNCE_PER_NODE = 2;
const ANNOUNCE_LATEST = 2000;
const FORGET_PERIOD = 60_000;
/** Who says again what is not so, with every update, is answered again after this long. */
const REPLY_APART = 5000;

/** What the routing of a node needs of the rest of it. */
export interface RoutingContext {
  readonly nodeId: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly random: Random;
  readonly router: Router;
  readonly names: Names<Way>;
  readonly neighbours: Neighbours;
  /** The ways have changed. */
  onRoutes(table: RoutingTable, before: RoutingTable): void;
  /** Another node with this ID started earlier; this one has to stop. */
  onDuplicate(): void;
}

/** Keeps the table of ways: hears updates, passes them on, tells of its own links. */
export class Routing {
  readonly #context: RoutingContext;
  readonly #update: Debounce;
  readonly #recalculation: Debounce;
  readonly #forgetting: Debounce;
  /** Neighbours that were told lately what others know of a node's epoch. */
  readonly #reminded = new Recent(1000, REPLY_APART);
  #announcement: (() => void) | undefined;
  #table: RoutingTable = new Map();

  constructor(context: RoutingContext) {
    this.#context = context;
    const { clock } = context;
    this.#update = new Debounce(clock, { soon: SOON, apart: APART, period: UPDATE_PERIOD }, () =>
      this.#sendUpdate(),
    );
    this.#recalculation = new Debounce(clock, { soon: SOON, apart: APART, rest: REST }, () =>
      this.#recalculate(),
    );
    this.#forgetting = new Debounce(clock, { soon: 0, apart: 0, period: FORGET_PERIOD }, () =>
      this.#forget(),
    );
  }

  get table(): RoutingTable {
    return this.#table;
  }

  stop(): void {
    this.#update.stop();
    this.#recalculation.stop();
    this.#forgetting.stop();
    this.#announcement?.();
  }

  /** The update that begins a session. */
  introduction(): Buffer {
    return encodeRoutingUpdate(this.#ownUpdate());
  }

  linkUp(link: Link, peer: string, cost: number): void {
    const { router, names } = this.#context;
    router.linkUp(peer, cost);
    names.add(peer);
    this.#update.request();
    this.#recalculation.request();
    this.#tellAll(link, peer);
  }

  linkDown(peer: string): void {
    this.#context.router.linkDown(peer);
    this.#update.request();
    this.#recalculation.request();
  }

  /**
   * Tells a new neighbour what is known of all nodes in reach, so that it need not wait until each of them has spoken. It
   * also hears what was last known of itself: with an older clock than then, it has to say that it is not another node.
   */
  #tellAll(link: Link, peer: string): void {
    const { router } = this.#context;
    for (const node of new Set([peer, ...this.#table.keys()])) {
      const update = router.lastUpdate(node);
      if (update) link.sendControl(this.#forwarded(update));
    }
  }

  receive(link: Link, update: RoutingUpdate): void {
    const { router, clock, names, neighbours, log } = this.#context;
    const via = link.peer ?? '';
    const verdict = router.receive(update, clock.now());
    if (verdict.duplicate?.self) {
      log.error(
        `We are a duplicate node with ID ${update.nodeId} and epoch ${verdict.duplicate.epoch}. Shutting down.`,
      );
      this.#context.onDuplicate();
      return;
    }
    if (verdict.duplicate) {
      link.complain('error', `Duplicate node ID ${update.nodeId} detected via ${via}`);
      neighbours.flood(encodeRoutingUpdate(this.#ownUpdate(verdict.duplicate.epoch)));
      this.#update.request();
    }
    if (verdict.suspicion)
      link.complain(
        'warning',
        `Node ${update.nodeId} with epoch ${update.epoch} sent update ${update.updateId} suspecting a duplicate ` +
          `node with epoch ${update.suspectedDuplicate}`,
      );
    if (verdict.reply) this.#reply(link, update, verdict.reply);
    if (verdict.learned !== undefined) names.add(verdict.learned);
    if (verdict.announce) this.#announce();
    if (verdict.recalculate) this.#recalculation.request();
    if (verdict.relay) neighbours.flood(this.#forwarded(update), link);
  }

  /** Tells a neighbour what it does not know of an epoch: again, if it goes on, because messages get lost. */
  #reply(link: Link, { nodeId, epoch }: RoutingUpdate, reply: RoutingUpdate): void {
    const reason = `${epoch} ${nodeId} ${link.peer}`;
    if (!this.#reminded.add(reason, this.#context.clock.now())) link.sendControl(this.#forwarded(reply));
  }

  #announce(): void {
    if (this.#announcement) return;
    const { clock, router } = this.#context;
    const delay = Math.min(ANNOUNCE_LATEST, ANNOUNCE_FIRST + ANNOUNCE_PER_NODE * router.size);
    this.#announcement = clock.schedule(delay, () => {
      this.#announcement = undefined;
      this.#update.request();
    });
  }

  #forwarded(update: RoutingUpdate): Buffer {
    return encodeRoutingUpdate({ ...update, forwardingNode: this.#context.nodeId });
  }

  #ownUpdate(suspectedDuplicate = 0n): RoutingUpdate {
    return this.#context.router.ownUpdate(randomName(this.#context.random), suspectedDuplicate);
  }

  #sendUpdate(): void {
    const { neighbours, log } = this.#context;
    if (neighbours.size === 0) return;
    const update = this.#ownUpdate();
    log.debug(
      `Sending routing update ${update.updateId}. Connections: ${[...update.connections.keys()].join(' ')}`,
    );
    neighbours.flood(encodeRoutingUpdate(update));
  }

  #recalculate(): void {
    const { router, names, neighbours, log } = this.#context;
    log.debug('Re-calculating routing table');
    const before = this.#table;
    this.#table = router.routes();
    for (const node of names.all()) {
      const route = this.#table.get(node.name);
      node.way = route && neighbours.link(route.nextHop);
    }
    this.#logTables();
    this.#context.onRoutes(this.#table, before);
  }

  /** In the words of the Go daemon, which scripts look for. */
  #logTables(): void {
    const { router, log } = this.#context;
    if (log === silentLogger) return;
    log.info('Known Connections:');
    for (const [node, links] of router.knownConnections()) {
      const peers = [...links].map(([peer, cost]) => `${peer}(${cost.toFixed(2)}) `);
      log.info(`   ${node}: ${peers.join('')}`);
    }
    log.info('Routing Table:');
    for (const [node, { nextHop }] of this.#table) log.info(`   ${node} via ${nextHop}`);
  }

  #forget(): void {
    const { router, names, clock } = this.#context;
    const forgotten = router.forget(clock.now());
    for (const node of forgotten) names.delete(node);
    if (forgotten.length > 0) this.#recalculation.request();
  }
}
