import type { Random } from '../random.js';

/** A link of a simulated mesh, between two nodes by their number. */
export interface GraphLink {
  readonly from: number;
  readonly to: number;
  readonly cost: number;
}

/** The shapes of meshes that can be simulated. */
export const GRAPHS = ['line', 'ring', 'grid', 'star', 'random', 'scale-free'] as const;
export type GraphKind = (typeof GRAPHS)[number];

/** The neighbours that a node of a random or a scale-free mesh has on average; half of them it has chosen itself. */
const DEGREE = 4;

/** Draws a connected graph of `nodes` nodes. Costs are whole, so that their sums can be compared. */
export function drawGraph(kind: GraphKind, nodes: number, random: Random): GraphLink[] {
  const links: GraphLink[] = [];
  const taken = new Set<string>();
  const add = (from: number, to: number): void => {
    const key = `${Math.min(from, to)}-${Math.max(from, to)}`;
    if (from === to || taken.has(key)) return;
    taken.add(key);
    links.push({ from, to, cost: 1 + random(5) });
  };
  const each = (count: number, act: (i: number) => void) => {
    for (let i = 0; i < count; i++) act(i);
  };
  switch (kind) {
    case 'line':
      each(nodes - 1, (i) => add(i + 1, i));
      break;
    case 'ring':
      each(nodes, (i) => add((i + 1) % nodes, i));
      break;
    case 'star':
      each(nodes - 1, (i) => add(i + 1, 0));
      break;
    case 'grid': {
      const width = Math.ceil(Math.sqrt(nodes));
      each(nodes, (i) => {
        if (i % width > 0) add(i, i - 1);
        if (i >= width) add(i, i - width);
      });
      break;
    }
    case 'random':
      each(nodes - 1, (i) => add(i + 1, random(i + 1)));
      each(Math.floor((nodes * (DEGREE - 2)) / 2), () => add(random(nodes), random(nodes)));
      break;
    case 'scale-free': {
      // Who has many neighbours gets more: each end of a link is a lot in the draw.
      const lots = [0];
      each(nodes - 1, (i) => {
        for (let k = 0; k < DEGREE / 2; k++) {
          const other = lots[random(lots.length)] ?? 0;
          add(i + 1, other);
          lots.push(other, i + 1);
        }
      });
    }
  }
  return links;
}
