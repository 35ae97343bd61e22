/** A link of a test mesh: both ends and the cost. */
export type Link = readonly [string, string, number];

/** The cost of the cheapest way from every node to every other, by the plainest algorithm there is (Floyd and Warshall). */
export function referenceCosts(
  nodes: readonly string[],
  links: readonly Link[],
): Map<string, Map<string, number>> {
  const costs = new Map(nodes.map((node) => [node, new Map<string, number>([[node, 0]])]));
  const cost = (a: string, b: string) => costs.get(a)?.get(b) ?? Number.POSITIVE_INFINITY;
  for (const [a, b, value] of links) {
    costs.get(a)?.set(b, Math.min(value, cost(a, b)));
    costs.get(b)?.set(a, Math.min(value, cost(b, a)));
  }
  for (const via of nodes)
    for (const from of nodes)
      for (const to of nodes) {
        const sum = cost(from, via) + cost(via, to);
        if (sum < cost(from, to)) costs.get(from)?.set(to, sum);
      }
  return costs;
}
