import type { Call } from './call.js';
import { Failure } from './failure.js';

/** Cancels or releases units, one after another until one fails, and prints what became of each. */
export async function endUnits(
  { client, output }: Pick<Call, 'client' | 'output'>,
  how: 'cancel' | 'release' | 'force-release',
  unitIds: readonly string[],
): Promise<number> {
  for (const id of unitIds) {
    try {
      const force = how === 'force-release';
      const reply = await (how === 'cancel' ? client.cancelWork(id) : client.releaseWork(id, { force }));
      const [done, unit] = Object.entries(reply)[0] ?? [];
      output.line(`(${unit}, ${done})`);
    } catch (cause) {
      throw new Failure(1, `${id}: ERROR: ${cause instanceof Error ? cause.message : cause}`, { cause });
    }
  }
  return 0;
}
