import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Channel } from '../../src/workers/kubernetes/output/attach-side.js';
import type { LogCursor } from '../../src/workers/kubernetes/output/log-reader.js';
import { Merge } from '../../src/workers/kubernetes/output/merge.js';
import { linesOf } from '../../src/workers/kubernetes/output/whole-lines.js';
import { numbers } from '../support/varied.js';

/** containerd writes a longer line to the log in entries of this length, between which those of the other channel may be. */
const ENTRY = 16_384;
const FRAME = 32_768;

interface Write {
  readonly channel: Channel;
  readonly bytes: Buffer;
}

/** A line that is no other's; those of standard output are of small letters, those of standard error of capitals. */
function line(channel: Channel, length: number, seed: number): Buffer {
  const random = numbers(seed + 1);
  const first = channel === 0 ? 97 : 65;
  const bytes = Buffer.alloc(length + 1, 10);
  for (let at = 0; at < length; at++) bytes[at] = first + Math.floor(random() * 26);
  return bytes;
}

/** What containerd makes of the writes: the log's content, and how much of it there is after each write. */
function logOf(writes: readonly Write[]): { content: Buffer; ends: number[] } {
  const pending: [Buffer, Buffer] = [Buffer.alloc(0), Buffer.alloc(0)];
  const entries: Buffer[] = [];
  const ends: number[] = [];
  let size = 0;
  const put = (entry: Buffer) => {
    entries.push(entry);
    size += entry.length;
  };
  for (const { channel, bytes } of writes) {
    let rest = Buffer.concat([pending[channel], bytes]);
    for (;;) {
      const newline = rest.indexOf(10);
      const length = newline < 0 ? rest.length : newline;
      if (length > ENTRY) {
        put(rest.subarray(0, ENTRY));
        rest = rest.subarray(ENTRY);
      } else if (newline >= 0) {
        put(rest.subarray(0, newline + 1));
        rest = rest.subarray(newline + 1);
      } else break;
    }
    pending[channel] = rest;
    ends.push(size);
  }
  for (const rest of pending) put(rest);
  return { content: Buffer.concat(entries), ends };
}

/** A container that writes to both channels, its log, and attach. */
class Scene {
  now = 1_000_000;
  private readonly log: ReturnType<typeof logOf>;
  private readonly written: Buffer[] = [];
  private logAt = 0;
  private attachAt: number | undefined;
  private obeyed = -1;

  constructor(
    readonly writes: readonly Write[],
    readonly merge = new Merge(),
  ) {
    this.log = logOf(writes);
    this.obey();
  }

  get result(): Buffer {
    return Buffer.concat(this.written);
  }

  attach(from: number): void {
    this.merge.onAttachAsked(this.now);
    this.merge.onAttachHeard(this.now, true);
    this.attachAt = from;
    this.obey();
  }

  attachBrings(to: number): void {
    if (this.attachAt === undefined) return;
    for (; this.attachAt < Math.min(to, this.writes.length); this.attachAt++) {
      const write = this.writes[this.attachAt];
      for (let at = 0; write && at < write.bytes.length; at += FRAME)
        this.merge.onAttach(this.now, write.channel, write.bytes.subarray(at, at + FRAME));
    }
    this.obey();
  }

  attachEnds(whole: boolean): void {
    if (this.attachAt === undefined) return;
    this.attachAt = undefined;
    this.merge.onAttachClosed(this.now, whole);
    this.obey();
  }

  logBrings(to: number): void {
    const { content, ends } = this.log;
    const end = to >= this.writes.length ? content.length : (ends[to - 1] ?? 0);
    while (this.logAt < end) {
      const { kind } = this.merge.order;
      if (kind === 'park' || kind === 'hold') return;
      const chunk = content.subarray(this.logAt, Math.min(end, this.logAt + FRAME));
      this.logAt += chunk.length;
      this.merge.onLog(this.now, chunk, this.cursor());
      this.obey();
    }
  }

  wait(ms: number): void {
    for (let left = ms; left > 0; left -= 50) {
      this.now += 50;
      this.merge.tick(this.now);
      this.obey();
    }
  }

  end(): void {
    for (let round = 0; round < 10; round++) {
      const { id } = this.merge.order;
      this.logBrings(this.writes.length);
      this.merge.onLogEnd(this.now);
      this.obey();
      if (this.merge.order.id === id) break;
    }
    this.merge.finish(this.now);
    this.written.push(...this.merge.takeWrites());
  }

  /** The place that was read to; its line's beginning stands for the stamp. */
  private cursor(): LogCursor {
    const { content } = this.log;
    const start = this.logAt < 2 ? 0 : content.lastIndexOf(10, this.logAt - 2) + 1;
    return { stamp: '2026-01-02T03:04:05Z', count: start, taken: this.logAt - start };
  }

  private obey(): void {
    this.written.push(...this.merge.takeWrites());
    const { order } = this.merge;
    if (order.id === this.obeyed) return;
    this.obeyed = order.id;
    if (order.kind === 'park' || order.kind === 'hold') return;
    if ('cursor' in order) this.logAt = order.cursor ? order.cursor.count + order.cursor.taken : 0;
    else this.logAt = order.kind === 'near' ? Math.max(0, this.logAt - 1000) : 0;
    this.merge.onLogReady(this.now, true);
  }
}

/** The same bytes, in whatever order. */
const census = (bytes: Buffer): Uint32Array => {
  const counts = new Uint32Array(256);
  for (const byte of bytes) counts[byte] = (counts[byte] ?? 0) + 1;
  return counts;
};

const lengths = fc.oneof(
  { weight: 3, arbitrary: fc.nat(200) },
  { weight: 2, arbitrary: fc.integer({ min: 8_000, max: 9_000 }) },
  { weight: 2, arbitrary: fc.integer({ min: ENTRY - 2, max: ENTRY + 2 }) },
  { weight: 2, arbitrary: fc.integer({ min: 2 * ENTRY - 2, max: 5 * ENTRY }) },
);

/** Lines of both channels, each channel's cut in writes, and these in some order. */
const writes = fc
  .array(
    fc.record({
      channel: fc.constantFrom<Channel>(0, 1),
      length: lengths,
      pieces: fc.integer({ min: 1, max: 4 }),
    }),
    { minLength: 1, maxLength: 14 },
  )
  .chain((all) => {
    const queues: [Buffer[], Buffer[]] = [[], []];
    for (const [seed, { channel, length, pieces }] of all.entries()) {
      const bytes = line(channel, length, seed);
      const step = Math.ceil(bytes.length / pieces);
      for (let at = 0; at < bytes.length; at += step) queues[channel].push(bytes.subarray(at, at + step));
    }
    const count = queues[0].length + queues[1].length;
    return fc.array(fc.boolean(), { minLength: count, maxLength: count }).map((turns) => {
      const [out, err] = [[...queues[0]], [...queues[1]]];
      return turns.map((turn): Write => {
        const channel: Channel = (turn ? out.length > 0 : err.length === 0) ? 0 : 1;
        return { channel, bytes: (channel === 0 ? out : err).shift() ?? Buffer.alloc(0) };
      });
    });
  });

const events = fc.array(
  fc.record({ what: fc.constantFrom('log', 'attach', 'both', 'wait', 'cut'), count: fc.nat(8) }),
  { maxLength: 24 },
);

/** Failures with lengths in place of bytes. */
const report = (cuts: boolean): fc.Parameters<[Write[], { what: string; count: number }[]]> => ({
  reporter(details) {
    if (!details.failed) return;
    const [all, list] = details.counterexample ?? [[], []];
    const told = all.map(
      ({ channel, bytes }) => `${channel}:${bytes.length}${bytes.at(-1) === 10 ? '$' : ''}`,
    );
    const steps = list.map(({ what, count }) => `${what} ${count}`);
    const { seed, counterexamplePath: path, errorInstance: error } = details;
    throw new Error(JSON.stringify({ seed, path, cuts, told, steps, error: String(error) }), {
      cause: error,
    });
  },
});

/** Moves the sources on as the events say; returns whether attach was there all the time. */
function play(scene: Scene, list: readonly { what: string; count: number }[], cuts: boolean): void {
  let log = 0;
  let attach = 0;
  for (const { what, count } of list) {
    if (what === 'log' || what === 'both') {
      log = Math.max(log, Math.max(log, attach) + count - 4);
      scene.logBrings(log);
    }
    if (what === 'attach' || what === 'both') {
      attach = Math.max(attach, Math.max(log, attach) + count - 4);
      scene.attachBrings(attach);
    }
    if (what === 'wait') scene.wait(count * 50);
    if (what === 'cut' && cuts) {
      scene.attachEnds(false);
      attach = Math.max(attach, log);
      scene.attach(attach);
    }
  }
  scene.attachBrings(scene.writes.length);
  scene.attachEnds(true);
  scene.end();
}

describe('Merge of two channels with long lines', () => {
  it.each([
    ['while attach is there from the first byte on', false],
    ['when attach drops and comes back, in the middle of lines too', true],
  ])('loses and repeats nothing %s', (_, cuts) => {
    fc.assert(
      fc.property(writes, events, (all, list) => {
        const scene = new Scene(all);
        scene.attach(0);
        play(scene, list, cuts);
        const channels = ([0, 1] as const).map((one) =>
          Buffer.concat(all.filter(({ channel }) => channel === one).map(({ bytes }) => bytes)),
        );
        const expected = Buffer.concat(channels);
        expect(scene.result.length).toBe(expected.length);
        expect(census(scene.result)).toEqual(census(expected));
        const short = cuts ? [] : channels.flatMap((bytes) => [...linesOf(bytes)]);
        for (const each of short) if (each.length <= 8_000) expect(scene.result.includes(each)).toBe(true);
        expect(scene.merge.flaws.gaps).toEqual([]);
        expect([...scene.merge.unsure]).toEqual([]);
      }),
      { numRuns: 150, ...report(cuts) },
    );
  });
});
