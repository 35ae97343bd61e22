import type { Call } from '../call.js';
import { printResults } from '../results-output.js';

export async function run(call: Call, { unit_id }: { unit_id: string }): Promise<number> {
  await printResults(call, unit_id);
  return 0;
}
