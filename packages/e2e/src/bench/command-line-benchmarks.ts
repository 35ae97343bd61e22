import { type Program, run } from '../index.js';
import type { Benchmark, Target } from './benchmark.js';

/** How long one call of a command line takes, in milliseconds. */
export function call(
  name: string,
  args: (program: Program) => readonly string[],
  target: Target,
): Benchmark<Program> {
  return {
    figures: [{ name: `${name}, ms`, target }],
    rounds: 15,
    measure: async (program) => {
      const since = performance.now();
      const { code, stderr } = await run(program, args(program));
      if (code !== 0) throw new Error(`${program.command} ended with ${code}: ${stderr.toString()}`);
      return [performance.now() - since];
    },
  };
}
