import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LogReader } from '../../src/workers/kubernetes/output/log-reader.js';
import { parseStamp, sinceTime } from '../../src/workers/kubernetes/output/stamp.js';

const stamp = (n: number): string =>
  `2026-01-02T03:04:${String(5 + (n >> 3)).padStart(2, '0')}.${String(n & 7).padStart(9, '0')}Z`;

interface Line {
  stamp: string;
  content: Buffer;
}

/** Lines with equal stamps, empty ones, binary ones; the last may be without its newline. */
const logs = fc
  .array(fc.tuple(fc.nat(2), fc.oneof(fc.constant(Buffer.alloc(0)), fc.uint8Array({ maxLength: 80 }))), {
    minLength: 1,
    maxLength: 40,
  })
  .chain((lines) => fc.tuple(fc.constant(lines), fc.boolean()))
  .map(([lines, whole]) => {
    let time = 0;
    return lines.map(([step, bytes], at): Line => {
      time += Math.max(0, step - 1);
      const text = Buffer.from(bytes.filter((byte) => byte !== 10));
      const end = at < lines.length - 1 || whole ? '\n' : '';
      return { stamp: stamp(time), content: Buffer.concat([text, Buffer.from(end)]) };
    });
  });

const contentOf = (lines: Line[]): Buffer => Buffer.concat(lines.map((line) => line.content));
const bytesOf = (lines: Line[], since?: string): Buffer => {
  const from = since === undefined ? undefined : parseStamp(since);
  const kept = lines.filter((line) => from === undefined || (parseStamp(line.stamp) ?? 0n) >= from);
  return Buffer.concat(kept.flatMap((line) => [Buffer.from(`${line.stamp} `), line.content]));
};

function readAll(reader: LogReader, bytes: Buffer, sizes: number[] = []): Buffer {
  const parts: Buffer[] = [];
  let at = 0;
  for (const size of sizes) {
    parts.push(reader.push(bytes.subarray(at, at + size)));
    at += size;
  }
  if (at < bytes.length) parts.push(reader.push(bytes.subarray(at)));
  reader.end();
  return Buffer.concat(parts);
}

describe('LogReader', () => {
  it('gives the content whatever the chunks', () => {
    fc.assert(
      fc.property(logs, fc.array(fc.integer({ min: 1, max: 50 })), (lines, sizes) => {
        const reader = new LogReader();
        reader.begin('fresh');
        expect(readAll(reader, bytesOf(lines), sizes)).toEqual(contentOf(lines));
      }),
    );
  });

  it('goes on exactly after a cut at any byte, whatever the stamps', () => {
    fc.assert(
      fc.property(logs, (lines) => {
        const bytes = bytesOf(lines);
        for (let cut = 0; cut <= bytes.length; cut++) {
          const reader = new LogReader();
          reader.begin('fresh');
          const first = readAll(reader, bytes.subarray(0, cut));
          const again = new LogReader(reader.cursor);
          again.begin('resume');
          const time = reader.cursor && parseStamp(reader.cursor.stamp);
          const since = time === undefined ? undefined : sinceTime(time - 1_000_000_000n);
          const rest = readAll(again, bytesOf(lines, since));
          expect(Buffer.concat([first, rest])).toEqual(contentOf(lines));
          expect(again.state).toBe('flowing');
        }
      }),
      { numRuns: 30 },
    );
  });

  it('says that its place is lost when the log begins after it', () => {
    const reader = new LogReader({ stamp: stamp(0), count: 1, taken: 3 });
    reader.begin('resume');
    expect(readAll(reader, Buffer.from(`${stamp(40)} later\n`))).toHaveLength(0);
    expect(reader.state).toBe('lost');
    reader.begin('after');
    expect(readAll(reader, Buffer.from(`${stamp(40)} later\n`)).toString()).toBe('later\n');
  });

  it('goes on with the next file when the one before was read to its end, and only then', () => {
    const next = Buffer.from(`${stamp(16)} later\n`);
    const before = Buffer.from(`${stamp(9)} early\n`);
    for (const whole of [true, false]) {
      const reader = new LogReader();
      reader.begin('fresh');
      reader.push(before);
      reader.end(whole);
      reader.begin('resume');
      expect(readAll(reader, next)).toHaveLength(0);
      expect(reader).toMatchObject({ state: 'lost', nextFile: whole });
      reader.begin('next');
      expect(readAll(reader, next).toString()).toBe(whole ? 'later\n' : '');
    }
  });

  it('does not take a file for the next one that begins long after the end of the last', () => {
    const reader = new LogReader();
    reader.begin('fresh');
    readAll(reader, Buffer.from(`${stamp(0)} early\n`));
    reader.begin('resume');
    readAll(reader, Buffer.from(`${stamp(40)} later\n`));
    expect(reader).toMatchObject({ state: 'lost', nextFile: false });
  });

  describe('that is far behind and is given a file that is not the next', () => {
    const opened = Date.UTC(2026, 0, 2, 3, 4, 5);
    const early = Buffer.from(`${stamp(24)} early\n`);
    const later = Buffer.from(`${stamp(80)} later\n`);
    const behind = () => {
      const reader = new LogReader();
      reader.begin('fresh', opened);
      reader.push(early, 100);
      return reader;
    };

    it('doubts it, and a new stream shows that something is lost', () => {
      const reader = behind();
      expect(reader.push(later, 110)).toHaveLength(0);
      expect(reader.state).toBe('doubtful');
      reader.begin('resume', opened);
      expect(readAll(reader, later)).toHaveLength(0);
      expect(reader).toMatchObject({ state: 'lost', nextFile: false });
    });

    it('or that nothing is', () => {
      const reader = behind();
      reader.push(later, 110);
      reader.begin('resume', opened);
      expect(readAll(reader, Buffer.concat([early, later])).toString()).toBe('later\n');
    });

    it('does not doubt a line that comes when it is written, or was there before', () => {
      const live = behind();
      expect(live.push(later, 7_100).toString()).toBe('later\n');
      const old = new LogReader();
      old.begin('fresh', opened + 60_000);
      expect(old.push(Buffer.concat([early, later]), 100).toString()).toBe('early\nlater\n');
    });
  });

  it('knows that a log which is read to its end without the place was rotated, though it says nothing', () => {
    const reader = new LogReader({ stamp: stamp(0), count: 1, taken: 3 });
    reader.begin('resume');
    reader.end(true, true);
    expect(reader.state).toBe('lost');
  });

  it('does not take a stream that was cut too early for a loss', () => {
    const reader = new LogReader({ stamp: stamp(1), count: 1, taken: 4 });
    reader.begin('resume');
    reader.push(Buffer.from(`${stamp(0)} before\n`));
    reader.end(false);
    expect(reader.state).toBe('seeking');
  });

  it('does not take what the kubelet says for output', () => {
    const reader = new LogReader();
    reader.begin('fresh');
    const bytes = Buffer.from(`${stamp(0)} one\nfailed to watch file\n${stamp(1)} two\n`);
    expect(readAll(reader, bytes).toString()).toBe('one\ntwo\n');
    expect(reader.foreign).toEqual(['failed to watch file']);
  });
});

describe('parseStamp', () => {
  it('compares stamps of different digits and zones', () => {
    expect(parseStamp('2026-01-02T03:04:05.5Z')).toBe(parseStamp('2026-01-02T05:04:05.500000000+02:00'));
    expect(parseStamp('2026-01-02T03:04:05Z')).toBe(BigInt(Date.UTC(2026, 0, 2, 3, 4, 5)) * 1_000_000n);
    expect(parseStamp('yesterday')).toBeUndefined();
  });
});
