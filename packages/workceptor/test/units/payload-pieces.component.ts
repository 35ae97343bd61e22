import { readFileSync, type writev as Writev } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { openNode, temporaryDirectory, usualWorkTypes } from '../support/node.js';

/** How many bytes a write takes at most: a disk that is nearly full takes part of what it is given. */
const disk = vi.hoisted(() => ({ takes: Number.POSITIVE_INFINITY }));

vi.mock('node:fs', async (original) => {
  const fs = await original<typeof import('node:fs')>();
  const writev = ((file: number, chunks: readonly Uint8Array[], done: () => void) => {
    let left = disk.takes;
    const taken = chunks.map((chunk) => {
      const part = chunk.subarray(0, left);
      left -= part.length;
      return part;
    });
    fs.writev(file, taken, done);
  }) as typeof Writev;
  const custom = Object.getOwnPropertySymbols(fs.writev);
  for (const symbol of custom)
    Object.defineProperty(writev, symbol, Object.getOwnPropertyDescriptor(fs.writev, symbol) ?? {});
  return { ...fs, writev };
});

test('a payload is stored byte for byte, whatever its pieces are and however few of them a write takes', async () => {
  const data = temporaryDirectory();
  const node = await openNode(data.path, usualWorkTypes());
  const pieces = fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 40 });
  try {
    await fc.assert(
      fc.asyncProperty(pieces, fc.integer({ min: 1, max: 120 }), async (payload, takes) => {
        disk.takes = takes;
        const submission = await node.allocate({ workType: 'cat', parameters: {}, origin: 'unix' });
        await submission.receive(
          (async function* () {
            yield* payload;
          })(),
        );
        expect(readFileSync(join(node.directory, submission.id, 'stdin'))).toEqual(Buffer.concat(payload));
      }),
      { numRuns: 60 },
    );
  } finally {
    await node.close();
    data.remove();
  }
});
