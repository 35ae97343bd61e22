import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LineReader } from '../../src/control/line-reader.js';

const plenty = () => ({ available: 1 << 20 });

function readAll(reader: LineReader, chunks: readonly Buffer[]): string[] {
  const lines: string[] = [];
  for (const chunk of chunks) {
    reader.push(chunk);
    for (let line = reader.next(); line !== undefined; line = reader.next()) lines.push(line);
  }
  const last = reader.end();
  if (last !== undefined) lines.push(last);
  return lines;
}

/** Cuts bytes at arbitrary places. */
const cut = (bytes: Buffer, cuts: readonly number[]): Buffer[] => {
  const places = [...new Set([0, ...cuts.map((each) => each % (bytes.length + 1)), bytes.length])];
  places.sort((a, b) => a - b);
  return places.slice(1).map((place, index) => bytes.subarray(places[index], place));
};

describe('LineReader', () => {
  it('finds the same lines however the bytes are cut', () => {
    const text = fc.stringMatching(/^[a-zé\r\n{}"]*$/);
    fc.assert(
      fc.property(text, fc.array(fc.nat()), (source, cuts) => {
        const expected = source.split('\n').map((line) => line.replaceAll('\r', ''));
        // A `\r` alone is the beginning of a line, which is empty in the end.
        if (source.split('\n').at(-1) === '') expected.pop();
        const budget = plenty();
        const lines = readAll(new LineReader(1 << 16, budget), cut(Buffer.from(source), cuts));
        expect(lines).toEqual(expected);
        expect(budget.available).toBe(1 << 20);
      }),
    );
  });

  it('leaves what follows the newline, byte by byte', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        const reader = new LineReader(100, plenty());
        reader.push(Buffer.concat([Buffer.from('work submit foo cat\n'), bytes]));
        expect(reader.next()).toBe('work submit foo cat');
        expect(Buffer.compare(reader.rest(), bytes)).toBe(0);
        expect(reader.next()).toBeUndefined();
      }),
    );
  });

  it('takes a line of exactly the maximum, and none that is longer, with its end or without', () => {
    const fits = Buffer.from(`${'x'.repeat(100)}\n`);
    for (const chunks of [[fits], cut(fits, [1, 50, 100])])
      expect(readAll(new LineReader(100, plenty()), chunks)).toEqual(['x'.repeat(100)]);

    for (const end of ['', '\n', '\nstatus\n']) {
      const long = Buffer.from('x'.repeat(101) + end);
      for (const chunks of [[long], cut(long, [30, 60, 90])]) {
        const budget = plenty();
        const reader = new LineReader(100, budget);
        expect(readAll(reader, chunks)).toEqual([]);
        expect(reader.fault).toBe('line too long');
        expect(budget.available).toBe(1 << 20);
      }
    }
  });

  it('shares the budget for unfinished lines with other readers, and gives it back', () => {
    const budget = { available: 1000 };
    const first = new LineReader(2000, budget);
    const second = new LineReader(2000, budget);
    first.push(Buffer.from('x'.repeat(600)));
    expect(first.next()).toBeUndefined();
    second.push(Buffer.from('y'.repeat(600)));
    expect(second.next()).toBeUndefined();
    expect(second.fault).toBe('lines too long together');
    first.push(Buffer.from('\n'));
    expect(first.next()).toBe('x'.repeat(600));
    expect(budget.available).toBe(1000);
  });

  it('holds about as much as it was sent, even of single bytes', () => {
    const budget = { available: 1 << 20 };
    const reader = new LineReader(1 << 20, budget);
    for (let count = 0; count < 5000; count++) {
      reader.push(Buffer.from('x'));
      reader.next();
    }
    expect((1 << 20) - budget.available).toBeLessThanOrEqual(10_000);
    reader.discard();
    expect(budget.available).toBe(1 << 20);
  });
});
