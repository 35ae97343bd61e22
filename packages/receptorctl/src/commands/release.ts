import type { Call } from '../call.js';
import { endUnits } from '../end-units.js';
import { sortedEntries } from '../python.js';

interface Values {
  force: boolean;
  all: boolean;
  unit_ids: readonly string[];
}

export async function run(call: Call, { force, all, unit_ids }: Values): Promise<number> {
  if (unit_ids.length === 0 && !all) {
    call.output.warning('No unit IDs supplied: Not doing anything');
    return 0;
  }
  call.output.line('Released:');
  const ids = all ? sortedEntries(await call.client.workList()).map(([id]) => id) : unit_ids;
  return endUnits(call, force ? 'force-release' : 'release', ids);
}
