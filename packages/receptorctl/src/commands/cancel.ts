import type { Call } from '../call.js';
import { endUnits } from '../end-units.js';

export async function run(call: Call, { unit_ids }: { unit_ids: readonly string[] }): Promise<number> {
  if (unit_ids.length === 0) {
    call.output.warning('No unit IDs supplied: Not doing anything');
    return 0;
  }
  call.output.line('Cancelled:');
  return endUnits(call, 'cancel', unit_ids);
}
