import type { Call } from '../call.js';

export async function run({ output, client }: Call, { node }: { node: string }): Promise<number> {
  const hops = Object.entries(await client.traceroute(node)).sort(([a], [b]) => Number(a) - Number(b));
  for (const [index, { Error: error, From, TimeStr }] of hops) {
    // The way may well end before the node: that is what a traceroute is for, and no failure.
    if (error === undefined) output.line(`${index}: ${From} in ${TimeStr}`);
    else output.error(`${index}: Error ${error} from ${From} in ${TimeStr}`);
  }
  return 0;
}
