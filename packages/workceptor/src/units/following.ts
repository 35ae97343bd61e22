import { isComplete, type UnitStatus } from '@receptor/protocol';
import { UnitResults } from '../results/unit-results.js';
import type { Unit } from './unit.js';

/** What happens to a unit that is followed: how it stands, or more of its output. */
export type UnitEvent =
  | { readonly status: Pick<UnitStatus, 'State' | 'Detail' | 'StdoutSize'> }
  | { readonly output: Buffer };

/**
 * Everything that happens to a unit, as it happens: its status now and whenever it changes, and its output from a position on.
 * The status of a complete unit comes last, when all output has been given. Ends early when the unit is released.
 * @throws ReceptorError `RECEPTOR_ABORTED` when the signal ends it
 */
export async function* followUnit(
  unit: Unit,
  startPosition: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<UnitEvent, void, undefined> {
  const output = new UnitResults(unit, startPosition, signal)[Symbol.asyncIterator]();
  let wake = () => {};
  let changed: Promise<void> | undefined;
  const stopListening = unit.onChange(() => wake());
  let last = '';
  let next: ReturnType<typeof output.next> | undefined;
  try {
    for (;;) {
      const { State, Detail } = unit.status;
      if (!isComplete(State) && `${State} ${Detail}` !== last) {
        last = `${State} ${Detail}`;
        yield { status: { State, Detail, StdoutSize: unit.stdoutSize() } };
        continue;
      }
      next ??= output.next();
      changed = new Promise((resolve) => {
        wake = resolve;
      });
      const piece = await Promise.race([next, changed]);
      if (!piece) continue;
      next = undefined;
      if (piece.done) break;
      yield { output: piece.value };
    }
  } finally {
    stopListening();
    if (next) void next.catch(() => undefined);
    void output.return().catch(() => undefined);
  }
  if (unit.departure === 'released') return;
  const { State, Detail } = unit.status;
  yield { status: { State, Detail, StdoutSize: unit.stdoutSize() } };
}
