import { nodeId, type SimulatedMesh } from './mesh.js';

type Neighbours = ReadonlyMap<string, ReadonlyMap<string, number>>;

/**
 * What the tables of a mesh have to say once all is quiet, found with another algorithm than the nodes use (Bellman and
 * Ford) from the links that there really are.
 */
export class Reference {
  readonly #mesh: SimulatedMesh;
  readonly #neighbours: Neighbours;
  readonly #costs: ReadonlyMap<string, ReadonlyMap<string, number>>;

  /** For the links that are up now. */
  constructor(mesh: SimulatedMesh) {
    this.#mesh = mesh;
    this.#neighbours = neighboursOf(mesh);
    this.#costs = new Map(
      mesh.running.map((number) => [nodeId(number), costsFrom(nodeId(number), this.#neighbours)]),
    );
  }

  /** What is wrong in the tables: a cost, a next hop that is not on a cheapest way, a node that is missing or too many. */
  wrongRoutes(limit = 10): string[] {
    const wrong: string[] = [];
    for (const [node, table] of this.#mesh.tables()) {
      const expected = this.#costs.get(node) ?? new Map<string, number>();
      for (const other of new Set([...expected.keys(), ...table.keys()])) {
        const route = table.get(other);
        const cost = expected.get(other);
        if (other === node || (route?.cost === cost && this.#isOnWay(node, other, route?.nextHop))) continue;
        const found = route ? `${route.cost} via ${route.nextHop}` : 'no route';
        wrong.push(`${node} to ${other}: ${found}, not ${cost}`);
        if (wrong.length >= limit) return wrong;
      }
    }
    return wrong;
  }

  #isOnWay(node: string, other: string, nextHop: string | undefined): boolean {
    if (nextHop === undefined) return true;
    const first = this.#neighbours.get(node)?.get(nextHop) ?? Number.NaN;
    const rest = this.#costs.get(nextHop)?.get(other) ?? Number.NaN;
    return first + rest === this.#costs.get(node)?.get(other);
  }
}

function neighboursOf(mesh: SimulatedMesh): Neighbours {
  const neighbours = new Map<string, Map<string, number>>();
  const add = (from: string, to: string, cost: number) => {
    const links = neighbours.get(from) ?? new Map<string, number>();
    neighbours.set(from, links.set(to, cost));
  };
  for (const { from, to, cost } of mesh.liveLinks) {
    add(nodeId(from), nodeId(to), cost);
    add(nodeId(to), nodeId(from), cost);
  }
  return neighbours;
}

/** The cost of the cheapest way to every node in reach: better ways are looked for until there is none. */
function costsFrom(start: string, neighbours: Neighbours): Map<string, number> {
  const costs = new Map([[start, 0]]);
  for (let changed = [start]; changed.length > 0; ) {
    const next = new Set<string>();
    for (const node of changed)
      for (const [to, cost] of neighbours.get(node) ?? []) {
        const sum = (costs.get(node) ?? 0) + cost;
        if (sum >= (costs.get(to) ?? Number.POSITIVE_INFINITY)) continue;
        costs.set(to, sum);
        next.add(to);
      }
    changed = [...next];
  }
  return costs;
}
