import type { Graph } from './graph.js';

/** How to get to a node. */
export interface Route {
  /** The neighbour to send to. */
  readonly nextHop: string;
  /** The sum of the costs of the links on the way. */
  readonly cost: number;
}

/** The cheapest way to every node that can be reached, without the node itself. */
export type RoutingTable = ReadonlyMap<string, Route>;

interface Candidate extends Route {
  readonly node: string;
}

/** Dijkstra's algorithm (reference: mesh, 4.5). Only nodes with a row of their own can be reached. */
export function shortestPaths(graph: Graph, self: string): RoutingTable {
  const table = new Map<string, Route>();
  const queue = new Heap();
  /** The cheapest way to each node so far: dearer ones need not be looked at, and in a dense graph they are nearly all. */
  const best = new Map<string, number>();
  const offer = (node: string, nextHop: string, cost: number): void => {
    const known = best.get(node);
    // A sum of huge costs is infinite, and a way all the same.
    if (known !== undefined && cost >= known) return;
    best.set(node, cost);
    queue.push({ node, nextHop, cost });
  };
  for (const [neighbour, cost] of graph.links(self)) offer(neighbour, neighbour, cost);
  for (let next = queue.pop(); next; next = queue.pop()) {
    const { node, nextHop, cost } = next;
    if (node === self || table.has(node) || !graph.has(node)) continue;
    table.set(node, { nextHop, cost });
    for (const [neighbour, step] of graph.links(node)) offer(neighbour, nextHop, cost + step);
  }
  return table;
}

/** A binary heap with the cheapest candidate on top. */
class Heap {
  readonly #items: Candidate[] = [];

  push(item: Candidate): void {
    const items = this.#items;
    let hole = items.push(item) - 1;
    while (hole > 0) {
      const parent = (hole - 1) >> 1;
      const above = items[parent];
      if (!above || above.cost <= item.cost) break;
      items[hole] = above;
      hole = parent;
    }
    items[hole] = item;
  }

  pop(): Candidate | undefined {
    const items = this.#items;
    const top = items[0];
    const last = items.pop();
    if (!last || items.length === 0) return top;
    let hole = 0;
    for (;;) {
      let child = 2 * hole + 1;
      const [left, right] = [items[child], items[child + 1]];
      if (!left) break;
      if (right && right.cost < left.cost) child++;
      const smaller = items[child];
      if (!smaller || smaller.cost >= last.cost) break;
      items[hole] = smaller;
      hole = child;
    }
    items[hole] = last;
    return top;
  }
}
