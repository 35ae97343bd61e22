import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isComplete, type UnitStatus, type WorkState } from '@receptor/protocol';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type StatusChange, silentLogger } from '../../src/index.js';
import { createStatus, decodeStatus } from '../../src/units/status-file.js';
import { Unit } from '../../src/units/unit.js';

const first: UnitStatus = { State: 0, Detail: '', StdoutSize: 0, WorkType: 'x', ExtraData: null };

const changes = fc.array(
  fc.record({
    change: fc.record(
      {
        state: fc.constantFrom(0, 0, 1, 1, 1, 2, 3, 4) as fc.Arbitrary<WorkState>,
        detail: fc.string(),
        extraData: fc.oneof(fc.constant(null), fc.record({ n: fc.nat() })),
        durable: fc.boolean(),
      },
      { requiredKeys: [] },
    ),
    wait: fc.boolean(),
  }),
  { maxLength: 12 },
);

/** The status as the changes make it, one after the other, until one completes it. */
function expected(all: { change: StatusChange }[]): UnitStatus {
  let status = first;
  for (const { change } of all) {
    if (isComplete(status.State)) break;
    status = {
      ...status,
      State: change.state ?? status.State,
      Detail: change.detail ?? status.Detail,
      ExtraData: change.extraData === undefined ? status.ExtraData : change.extraData,
    };
  }
  return status;
}

test('memory has every change at once, the disk when the update resolves; nothing follows a complete state', async () => {
  await fc.assert(
    fc.asyncProperty(changes, async (all) => {
      const directory = mkdtempSync(join(tmpdir(), 'receptor-test-'));
      try {
        await createStatus(directory, first);
        const unit = new Unit(directory, 'x', first, silentLogger, async () => {});
        const onDisk = () => decodeStatus(readFileSync(join(directory, 'status'), 'utf8'));
        for (const [index, { change, wait }] of all.entries()) {
          const written = unit.update(change);
          expect(unit.status).toEqual(expected(all.slice(0, index + 1)));
          if (!wait) continue;
          await written;
          expect(onDisk()).toEqual(unit.status);
        }
        await unit.settle();
        expect(onDisk()).toEqual(expected(all));
      } finally {
        rmSync(directory, { recursive: true });
      }
    }),
    { numRuns: 60 },
  );
});
