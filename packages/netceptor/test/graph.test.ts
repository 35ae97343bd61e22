import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Connections, Graph } from '../src/routing/graph.js';

const SELF = 'self';
const NODES = [SELF, 'a', 'b', 'c', 'd'];

/** What a graph has to say, by going through everything each time. */
class PlainGraph {
  readonly #rows = new Map<string, { connections: Map<string, number>; version: number }>([
    [SELF, { connections: new Map(), version: 0 }],
  ]);
  #version = 0;

  links(node: string): [string, number][] {
    return [...(this.#rows.get(node)?.connections ?? [])].filter(
      ([other]) => !this.#contradicted(node, other),
    );
  }

  setRow(node: string, connections: Connections): boolean {
    const said = this.#rows.get(node)?.connections;
    const same = said !== undefined && sorted(said) === sorted(connections);
    if (same && this.links(node).length === connections.size) return false;
    this.#rows.set(node, { connections: new Map(connections), version: ++this.#version });
    return true;
  }

  deleteRow(node: string): boolean {
    return this.#rows.delete(node);
  }

  linkUp(peer: string, cost: number): void {
    const changed = ++this.#version;
    this.#rows.get(SELF)?.connections.set(peer, cost);
    const row = this.#rows.get(peer) ?? { connections: new Map(), version: changed };
    row.connections.set(SELF, cost);
    this.#rows.set(peer, row);
  }

  linkDown(peer: string): void {
    this.#rows.get(SELF)?.connections.delete(peer);
    this.#rows.get(peer)?.connections.delete(SELF);
  }

  /** The other end of a link has said later than this one that there is none. */
  #contradicted(node: string, other: string): boolean {
    const [here, there] = [this.#rows.get(node), this.#rows.get(other)];
    if (!here || !there || node === SELF || other === SELF) return false;
    return there.version > here.version && !there.connections.has(node);
  }
}

function sorted(links: Iterable<readonly [string, number]>): string {
  return JSON.stringify([...links].sort());
}

const other = fc.constantFrom(...NODES.slice(1));
const cost = fc.integer({ min: 1, max: 3 });
const row = fc
  .array(fc.tuple(fc.constantFrom(...NODES), cost), { maxLength: 4 })
  .map((links) => new Map(links));
const event = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(fc.constant('setRow' as const), other, row) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('again' as const), other) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('deleteRow' as const), other) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('linkUp' as const), other, cost) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('linkDown' as const), other) },
  // What was found out before is remembered: looking must never change what is seen later.
  { weight: 4, arbitrary: fc.tuple(fc.constant('look' as const), fc.constantFrom(...NODES)) },
);

describe('the graph', () => {
  it('says of links what going through all rows says, whatever happened and whenever it was asked', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 40 }), (events) => {
        const [graph, plain] = [new Graph(SELF), new PlainGraph()];
        const said = new Map<string, Connections>();
        for (const [what, node, value] of events) {
          if (what === 'setRow') {
            said.set(node, value);
            expect(graph.setRow(node, value)).toBe(plain.setRow(node, value));
          } else if (what === 'again') {
            const same = said.get(node) ?? new Map();
            expect(graph.setRow(node, same)).toBe(plain.setRow(node, same));
          } else if (what === 'deleteRow') expect(graph.deleteRow(node)).toBe(plain.deleteRow(node));
          else if (what === 'linkUp') for (const each of [graph, plain]) each.linkUp(node, value);
          else if (what === 'linkDown') for (const each of [graph, plain]) each.linkDown(node);
          else expect(sorted(graph.links(node))).toBe(sorted(plain.links(node)));
        }
        for (const node of NODES) expect(sorted(graph.links(node))).toBe(sorted(plain.links(node)));
      }),
      { numRuns: 1000 },
    );
  });

  it('counts a link again as soon as both ends say that there is one', () => {
    const graph = new Graph(SELF);
    graph.setRow('a', new Map([['b', 1]]));
    graph.setRow('b', new Map());
    expect([...graph.links('a')]).toEqual([]);
    graph.setRow('b', new Map([['a', 1]]));
    expect([...graph.links('a')]).toEqual([['b', 1]]);
  });
});
