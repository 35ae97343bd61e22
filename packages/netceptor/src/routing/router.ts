import type { RoutingUpdate } from '../wire/routing-update.js';
import { type Connections, Graph } from './graph.js';
import { Recent } from './recent.js';
import { type RoutingTable, shortestPaths } from './shortest-paths.js';

/** What has to be done about a routing update that came in. */
export interface Verdict {
  /** Pass it on to the other neighbours, with the own ID as `forwardingNode`. */
  readonly relay: boolean;
  /** Send an update of one's own soon: somebody new has to hear of this node. */
  readonly announce: boolean;
  /** Ways may have changed. */
  readonly recalculate: boolean;
  /** A node that was not known before. */
  readonly learned?: string;
  /** The other node with this node's ID: the one that started later has to stop (reference: mesh, 4.4). */
  readonly duplicate?: { readonly self: boolean; readonly epoch: bigint };
  /** The node suspects that another one uses its ID. */
  readonly suspicion?: boolean;
  /**
   * The node has restarted with its clock set back, and this is what the mesh still holds to. When that gets back to the
   * node, it sends what it sends about a duplicate, by which all nodes forget the later epoch.
   */
  readonly outdated?: RoutingUpdate;
}

const NOTHING: Verdict = { relay: false, announce: false, recalculate: false };

/** What to remember at most; see {@link RouterOptions}. */
export interface RouterLimits {
  /** Nodes to know of. */
  readonly nodes: number;
  /** Milliseconds after which a node that was not heard of is forgotten. */
  readonly forgetAfter: number;
}

/** The settings of a {@link Router}. */
export interface RouterOptions {
  readonly nodeId: string;
  readonly epoch: bigint;
  readonly limits: RouterLimits;
}

interface KnownNode {
  epoch: bigint;
  sequence: bigint;
  heard: number;
  /** The last word, unless the node has had to take back that it was its. */
  update: RoutingUpdate | undefined;
}

/** What is known of the mesh and what follows from it; no sockets, no timers (reference: mesh, 4). */
export class Router {
  readonly #nodeId: string;
  readonly #epoch: bigint;
  readonly #limits: RouterLimits;
  readonly #graph: Graph;
  readonly #known = new Map<string, KnownNode>();
  /**
   * Updates to be ignored although their sequence numbers say nothing against it: those about duplicates that were heard,
   * and the last one of the duplicate, whose copies may still be on their way.
   */
  readonly #settled = new Recent(20_000, 600_000);
  #sequence = 0n;

  constructor({ nodeId, epoch, limits }: RouterOptions) {
    this.#nodeId = nodeId;
    this.#epoch = epoch;
    this.#limits = limits;
    this.#graph = new Graph(nodeId);
  }

  /** The links to the neighbours, with their costs. */
  get connections(): Connections {
    return this.#graph.own;
  }

  linkUp(peer: string, cost: number): void {
    this.#graph.linkUp(peer, cost);
  }

  linkDown(peer: string): void {
    this.#graph.linkDown(peer);
  }

  /** Builds an update about this node's links. Every one has the next sequence number. */
  ownUpdate(updateId: string, suspectedDuplicate = 0n): RoutingUpdate {
    this.#sequence += 1n;
    return {
      nodeId: this.#nodeId,
      updateId,
      epoch: this.#epoch,
      sequence: this.#sequence,
      connections: this.#graph.own,
      forwardingNode: this.#nodeId,
      suspectedDuplicate,
    };
  }

  /** Whether a node's update with that ID was accepted already, so that nothing of it is new. */
  isRepeated(nodeId: string, updateId: string): boolean {
    // Nearly always it is a copy of the last one.
    return this.#known.get(nodeId)?.update?.updateId === updateId || this.#settled.has(updateId);
  }

  /** Judges an update that came in. */
  receive(update: RoutingUpdate, now: number): Verdict {
    if (update.nodeId === '') return NOTHING;
    if (update.nodeId === this.#nodeId) return this.#receiveOwn(update);
    const known = this.#known.get(update.nodeId);
    const outdated = known !== undefined && !isLater(update, known);
    if (outdated && update.suspectedDuplicate === 0n)
      return known.update && update.epoch < known.epoch ? { ...NOTHING, outdated: known.update } : NOTHING;
    if (this.isRepeated(update.nodeId, update.updateId)) return NOTHING;
    if (update.suspectedDuplicate !== 0n) {
      this.#settled.add(update.updateId, now);
      if (known?.epoch === update.suspectedDuplicate) {
        if (known.update) this.#settled.add(known.update.updateId, now);
        known.epoch = update.epoch;
        known.sequence = update.sequence;
        known.update = undefined;
      }
      return { ...NOTHING, relay: true, suspicion: true };
    }
    if (!known && this.#known.size >= this.#limits.nodes) return NOTHING;
    this.#known.set(update.nodeId, { epoch: update.epoch, sequence: update.sequence, heard: now, update });
    const recalculate = this.#graph.setRow(update.nodeId, update.connections);
    const verdict = { relay: true, announce: !known, recalculate };
    return known ? verdict : { ...verdict, learned: update.nodeId };
  }

  #receiveOwn({ epoch, suspectedDuplicate }: RoutingUpdate): Verdict {
    if (epoch === this.#epoch) return NOTHING;
    if (suspectedDuplicate === this.#epoch) return { ...NOTHING, duplicate: { self: true, epoch } };
    if (epoch > this.#epoch) return { ...NOTHING, duplicate: { self: false, epoch } };
    return NOTHING;
  }

  /** The last word of a node, to be passed on to who has not heard it. */
  lastUpdate(node: string): RoutingUpdate | undefined {
    return this.#known.get(node)?.update;
  }

  /** How many other nodes are known. */
  get size(): number {
    return this.#known.size;
  }

  /** Forgets nodes that were not heard of for long, neighbours excepted; returns them. */
  forget(now: number): string[] {
    const forgotten: string[] = [];
    for (const [node, { heard }] of this.#known) {
      if (now - heard <= this.#limits.forgetAfter || this.#graph.own.has(node)) continue;
      this.#known.delete(node);
      this.#graph.deleteRow(node);
      forgotten.push(node);
    }
    for (const node of [...this.#graph.nodes()]) {
      if (node === this.#nodeId || this.#known.has(node) || this.#graph.own.has(node)) continue;
      this.#graph.deleteRow(node);
    }
    return forgotten;
  }

  /** The cheapest ways to all nodes that can be reached now. */
  routes(): RoutingTable {
    return shortestPaths(this.#graph, this.#nodeId);
  }

  /** The links of every node that is known, as they are used for finding ways. */
  knownConnections(): Map<string, Map<string, number>> {
    return new Map([...this.#graph.nodes()].map((node) => [node, new Map(this.#graph.links(node))]));
  }

  /** Whether what is known of the mesh has a circle; a message without an end would go round in one. */
  hasCircle(): boolean {
    const links = new Set<string>();
    const nodes = new Set<string>([this.#nodeId, ...this.routes().keys()]);
    for (const node of nodes)
      for (const [neighbour] of this.#graph.links(node))
        if (nodes.has(neighbour)) links.add(JSON.stringify([node, neighbour].sort()));
    return links.size >= nodes.size;
  }
}

function isLater(update: RoutingUpdate, known: KnownNode): boolean {
  return update.epoch > known.epoch || (update.epoch === known.epoch && update.sequence > known.sequence);
}
