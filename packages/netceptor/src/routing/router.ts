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
   * What the neighbour that sent it has to be told. Either the node has restarted with its clock set back, and this is what
   * the mesh still holds to: when that gets back to the node, it sends what it sends about a duplicate, by which all nodes
   * forget the later epoch. Or the neighbour has missed that, and this is it.
   */
  readonly reply?: RoutingUpdate;
}

const NOTHING: Verdict = { relay: false, announce: false, recalculate: false };

/** Epochs to remember that are not the node's they were used with, and bytes of what was said of them, estimated. */
const MAX_DISOWNED = 1000;
const MAX_DISOWNED_BYTES = 16 * 1024 * 1024;

/** What to remember at most; see {@link RouterOptions}. */
export interface RouterLimits {
  /** Nodes to know of. */
  readonly nodes: number;
  /** Bytes that what they say of their links takes, estimated. */
  readonly bytes: number;
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
  /** Estimated bytes of what it says of its links. */
  readonly bytes: number;
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
  /** The IDs of updates about duplicates; of others the sequence number tells whether they are new. */
  readonly #suspicions = new Recent(20_000, 600_000);
  /** What nodes have said of epochs that are not theirs, by node and epoch; those are never listened to again. */
  readonly #disowned = new Map<string, RoutingUpdate>();
  #sequence = 0n;
  #bytes = 0;
  #disownedBytes = 0;

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
    return this.#known.get(nodeId)?.update?.updateId === updateId || this.#suspicions.has(updateId);
  }

  /** Judges an update that came in. */
  receive(update: RoutingUpdate, now: number): Verdict {
    if (update.nodeId === '') return NOTHING;
    if (update.nodeId === this.#nodeId) return this.#receiveOwn(update);
    const known = this.#known.get(update.nodeId);
    const outdated = known !== undefined && !isLater(update, known);
    if (update.suspectedDuplicate === 0n) {
      const disowned = this.#disowned.get(epochKey(update.nodeId, update.epoch));
      if (disowned) return { ...NOTHING, reply: disowned };
      if (outdated)
        return known.update && update.epoch < known.epoch ? { ...NOTHING, reply: known.update } : NOTHING;
    }
    if (this.isRepeated(update.nodeId, update.updateId)) return NOTHING;
    if (update.suspectedDuplicate !== 0n) {
      this.#disown(update, now);
      if (known?.epoch === update.suspectedDuplicate) {
        known.epoch = update.epoch;
        known.sequence = update.sequence;
        known.update = undefined;
      }
      return { ...NOTHING, relay: true, suspicion: true };
    }
    if (!known && this.#known.size >= this.#limits.nodes) return NOTHING;
    const same = known?.update?.connections === update.connections;
    const bytes = known && same ? known.bytes : bytesOf(update);
    const grown = this.#bytes + bytes - (known?.bytes ?? 0);
    if (grown > this.#limits.bytes) return NOTHING;
    this.#bytes = grown;
    const { nodeId, epoch, sequence } = update;
    this.#known.set(nodeId, { epoch, sequence, heard: now, bytes, update });
    const recalculate = this.#graph.setRow(update.nodeId, update.connections);
    const verdict = { relay: true, announce: !known, recalculate };
    return known ? verdict : { ...verdict, learned: update.nodeId };
  }

  #disown(update: RoutingUpdate, now: number): void {
    this.#suspicions.add(update.updateId, now);
    const key = epochKey(update.nodeId, update.suspectedDuplicate);
    this.#forgetDisowned(key);
    this.#disowned.set(key, update);
    this.#disownedBytes += bytesOf(update);
    for (const oldest of this.#disowned.keys()) {
      if (this.#disowned.size <= MAX_DISOWNED && this.#disownedBytes <= MAX_DISOWNED_BYTES) return;
      this.#forgetDisowned(oldest);
    }
  }

  #forgetDisowned(key: string): void {
    const update = this.#disowned.get(key);
    if (update && this.#disowned.delete(key)) this.#disownedBytes -= bytesOf(update);
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
    for (const [node, { heard, bytes }] of this.#known) {
      if (now - heard <= this.#limits.forgetAfter || this.#graph.own.has(node)) continue;
      this.#known.delete(node);
      this.#bytes -= bytes;
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
        if (nodes.has(neighbour)) {
          links.add(JSON.stringify([node, neighbour].sort()));
          if (links.size >= nodes.size) return true;
        }
    return false;
  }
}

function epochKey(nodeId: string, epoch: bigint): string {
  return `${epoch} ${nodeId}`;
}

/** About what an update takes in memory. */
function bytesOf({ nodeId, connections }: RoutingUpdate): number {
  let bytes = 500 + 2 * nodeId.length;
  for (const node of connections.keys()) bytes += 50 + 2 * node.length;
  return bytes;
}

function isLater(update: RoutingUpdate, known: KnownNode): boolean {
  return update.epoch > known.epoch || (update.epoch === known.epoch && update.sequence > known.sequence);
}
