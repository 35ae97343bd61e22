/** The links a node has, by neighbour, with their costs. */
export type Connections = ReadonlyMap<string, number>;

interface Row {
  connections: Connections;
  /** When it changed, in a count of changes of all rows. */
  version: number;
  /** The count at which no link of it was contradicted. */
  agreed: number;
}

/**
 * What is known of the links of the mesh: one row a node, as it said itself, and the row of the node that keeps the graph.
 *
 * When a node's row changes and no longer has a neighbour, that neighbour's older word about the same link counts no more
 * (reference: mesh, 4.3, step 6). Instead of going through all rows then, rows carry the count of their last change, and a
 * link is looked at when it is used.
 */
export class Graph {
  readonly #self: string;
  readonly #rows = new Map<string, Row>();
  #version = 0;

  constructor(self: string) {
    this.#self = self;
    this.#rows.set(self, { connections: new Map(), version: 0, agreed: 0 });
  }

  /** The links to the neighbours. */
  get own(): Connections {
    return this.#rows.get(this.#self)?.connections ?? new Map();
  }

  /** Every node with a row of its own, the keeper too. */
  nodes(): IterableIterator<string> {
    return this.#rows.keys();
  }

  has(node: string): boolean {
    return this.#rows.has(node);
  }

  /** The links of a node that count. */
  links(node: string): Iterable<readonly [string, number]> {
    const row = this.#rows.get(node);
    if (!row) return [];
    if (this.#isAgreed(node, row)) return row.connections;
    return [...row.connections].filter(([neighbour]) => !this.#isContradicted(node, row, neighbour));
  }

  /** Takes what a node says about its links; whether that changes the graph. */
  setRow(node: string, connections: Connections): boolean {
    const row = this.#rows.get(node);
    if (row && equal(row.connections, connections) && this.#isAgreed(node, row)) return false;
    const version = ++this.#version;
    this.#rows.set(node, { connections, version, agreed: version });
    return true;
  }

  /** Forgets a node's row; whether there was one. */
  deleteRow(node: string): boolean {
    return this.#rows.delete(node);
  }

  /** A link to a neighbour came up: both know of it. */
  linkUp(peer: string, cost: number): void {
    this.#edit(this.#self, (links) => links.set(peer, cost));
    this.#edit(peer, (links) => links.set(this.#self, cost));
  }

  /** A link to a neighbour went down, whatever the neighbour says. */
  linkDown(peer: string): void {
    this.#edit(this.#self, (links) => links.delete(peer));
    if (this.#rows.has(peer)) this.#edit(peer, (links) => links.delete(this.#self));
  }

  #edit(node: string, change: (links: Map<string, number>) => void): void {
    const row = this.#rows.get(node);
    const links = new Map(row?.connections);
    change(links);
    // The older version may have contradicted what the newer one agrees with, or the other way round.
    const changed = ++this.#version;
    this.#rows.set(node, { connections: links, version: row?.version ?? changed, agreed: -1 });
  }

  /** Whether all links of a row count. As long as nothing changes, which is nearly always, it need not be found out again. */
  #isAgreed(node: string, row: Row): boolean {
    if (row.agreed === this.#version) return true;
    for (const neighbour of row.connections.keys())
      if (this.#isContradicted(node, row, neighbour)) return false;
    row.agreed = this.#version;
    return true;
  }

  #isContradicted(node: string, row: Row, neighbour: string): boolean {
    if (node === this.#self || neighbour === this.#self) return false;
    const other = this.#rows.get(neighbour);
    return other !== undefined && other.version > row.version && !other.connections.has(node);
  }
}

function equal(a: Connections, b: Connections): boolean {
  if (a === b) return true;
  if (a.size !== b.size) return false;
  for (const [node, cost] of a) if (b.get(node) !== cost) return false;
  return true;
}
