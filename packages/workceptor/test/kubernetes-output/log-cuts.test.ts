import { describe, expect, it } from 'vitest';
import { LogReader, sinceCursor } from '../../src/workers/kubernetes/output/log-reader.js';
import { parseStamp } from '../../src/workers/kubernetes/output/stamp.js';
import { varied } from '../support/varied.js';

const SIZE = 64 << 10;
/** After a cut so much of what follows is looked at; the rest is read as if there had been no cut. */
const LOOK = 200;
/** Several lines have the same stamp, as a coarse clock gives them. */
const LINES_A_STAMP = 3;

interface Log {
  bytes: Buffer;
  content: Buffer;
  /** Where lines begin, and their time. */
  lines: { at: number; time: bigint }[];
}

function logOf(content: Buffer): Log {
  const parts: Buffer[] = [];
  const lines: Log['lines'] = [];
  let at = 0;
  for (let from = 0, count = 0; from < content.length; count++) {
    const newline = content.indexOf(10, from);
    const end = newline < 0 ? content.length : newline + 1;
    const ms = Math.floor(count / LINES_A_STAMP) * 400;
    const stamp = `${new Date(1_700_000_000_000 + ms).toISOString().slice(0, 23)}000000Z`;
    const line = Buffer.concat([Buffer.from(`${stamp} `), content.subarray(from, end)]);
    lines.push({ at, time: parseStamp(stamp) ?? 0n });
    parts.push(line);
    at += line.length;
    from = end;
  }
  return { bytes: Buffer.concat(parts), content, lines };
}

/** The log from the first line that is not older. */
function since({ bytes, lines }: Log, time: string | undefined): Buffer {
  const from = time === undefined ? undefined : parseStamp(time);
  const line = lines.find((one) => from === undefined || one.time >= from);
  return bytes.subarray(line?.at ?? bytes.length);
}

describe('LogReader', () => {
  it('goes on exactly where it was, wherever a varied log of 64 KiB is cut', () => {
    const log = logOf(varied(SIZE));
    const reader = new LogReader();
    reader.begin('fresh');
    let read = 0;
    for (let cut = 0; cut <= log.bytes.length; cut++) {
      const again = new LogReader(reader.cursor);
      again.begin(reader.cursor ? 'resume' : 'fresh');
      const stream = since(log, reader.cursor && sinceCursor(reader.cursor));
      let got = Buffer.alloc(0);
      for (let at = 0; got.length < LOOK && at < stream.length; at += 512)
        got = Buffer.concat([got, again.push(stream.subarray(at, at + 512))]);
      const expected = log.content.subarray(read, read + got.length);
      if (
        again.state !== 'flowing' ||
        !got.equals(expected) ||
        got.length < Math.min(LOOK, log.content.length - read)
      )
        expect({ cut, state: again.state, got: got.toString('latin1') }).toEqual({
          cut,
          state: 'flowing',
          got: expected.toString('latin1'),
        });
      read += reader.push(log.bytes.subarray(cut, cut + 1)).length;
    }
    expect(read).toBe(log.content.length);
  }, 120_000);
});
