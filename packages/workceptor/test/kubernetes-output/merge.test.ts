import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { LogCursor } from '../../src/workers/kubernetes/output/log-reader.js';
import { Merge } from '../../src/workers/kubernetes/output/merge.js';
import { WINDOW } from '../../src/workers/kubernetes/output/merged-output.js';
import { normalise } from '../../src/workers/kubernetes/output/normalise.js';
import { varied } from '../support/varied.js';

/** A cursor that stands for so many bytes of the log. */
const cursorAt = (taken: number, stamp = '2026-01-02T03:04:05Z'): LogCursor => ({ stamp, count: 1, taken });

/**
 * A container that has written `output` on one channel, its log, and an attach connection. The test moves them on;
 * the log obeys the merge's orders as the real one does.
 */
class Scene {
  now = 1_000_000;
  private written: Buffer[] = [];
  private logAt = 0;
  private attachAt: number | undefined;
  private obeyed = -1;
  private readonly logged: Buffer;
  /** How many bytes the log has given. */
  logRead = 0;
  /** The time of what it gives. */
  logStamp = '2026-01-02T03:04:05Z';

  constructor(
    readonly merge: Merge,
    readonly output: Buffer,
    readonly folds = true,
  ) {
    this.logged = folds ? normalise(output) : output;
    this.obey();
  }

  get result(): Buffer {
    return Buffer.concat(this.written);
  }

  /** How much of the log there is when the container has written so much. */
  private logEnd(bytes: number): number {
    return this.folds ? normalise(this.output.subarray(0, bytes)).length : bytes;
  }

  attach(from: number): void {
    this.merge.onAttachAsked(this.now);
    this.attachAt = from;
    this.merge.onAttachHeard(this.now, true);
    this.obey();
  }

  attachBrings(to: number): void {
    if (this.attachAt === undefined || this.attachAt >= to) return;
    this.merge.onAttach(this.now, 0, this.output.subarray(this.attachAt, to));
    this.attachAt = to;
    this.obey();
  }

  attachEnds(whole: boolean): void {
    this.attachAt = undefined;
    this.merge.onAttachClosed(this.now, whole);
    this.obey();
  }

  logBrings(bytes: number): void {
    if (!this.logIsRead) return;
    const end = this.logEnd(bytes);
    // A chunk does not end in carriage returns; the source holds them back.
    if (end <= this.logAt) return;
    const chunk = this.logged.subarray(this.logAt, end);
    this.logRead += chunk.length;
    this.logAt = end;
    this.merge.onLog(this.now, chunk, cursorAt(end, this.logStamp));
    this.obey();
  }

  wait(ms: number): void {
    for (let left = ms; left > 0; left -= 50) {
      this.now += 50;
      this.merge.tick(this.now);
      this.obey();
    }
  }

  /** Both sources are joined; then attach alone brings so much, too fast for the log. */
  leavesLogBehind(to: number): void {
    this.attach(0);
    this.attachBrings(5000);
    this.logBrings(5000);
    this.wait(500);
    for (let at = 5000; at < to; at += 30_000) {
      this.now += 1;
      this.attachBrings(at);
    }
  }

  private get logIsRead(): boolean {
    return !['park', 'hold', 'tail'].includes(this.merge.order.kind);
  }

  /** @param tail how many bytes of the log's end can be read for themselves */
  end(tail = 70_000): void {
    if (this.merge.order.kind === 'tail') {
      const content = this.logged.subarray(-tail);
      const found = tail > 0 ? { content, cursor: cursorAt(this.logged.length) } : undefined;
      this.merge.onLogTail(this.now, found);
      this.obey();
    }
    for (let round = 0; round < 10 && this.logIsRead; round++) {
      const { id } = this.merge.order;
      this.logBrings(this.output.length);
      this.merge.onLogEnd(this.now);
      this.obey();
      if (this.merge.order.id === id) break;
    }
    this.merge.finish(this.now);
    this.written.push(...this.merge.takeWrites());
  }

  private obey(): void {
    this.written.push(...this.merge.takeWrites());
    const order = this.merge.order;
    if (order.id === this.obeyed) return;
    this.obeyed = order.id;
    if (!this.logIsRead) return;
    if ('cursor' in order) this.logAt = order.cursor?.taken ?? 0;
    else this.logAt = order.kind === 'near' ? Math.max(0, this.logAt - 1000) : 0;
    this.merge.onLogReady(this.now, true);
  }
}

/** Positions at which no carriage return has just been written, as sources keep to. */
const places = (output: Buffer, fractions: number[]): number[] =>
  fractions
    .map((fraction) => {
      let at = Math.floor(fraction * output.length);
      while (at > 0 && output[at - 1] === 13) at--;
      return at;
    })
    .sort((a, b) => a - b);

const binary = fc.uint8Array({ minLength: 0, maxLength: 6000 }).map((bytes) => Buffer.from(bytes));
const lines = fc
  .array(fc.constantFrom('tick', 'tock', '', 'a longer line than the others', 'x'.repeat(700)), {
    maxLength: 300,
  })
  .map((all) => Buffer.from(all.map((line) => `${line}\n`).join('')));
const returns = fc
  .array(fc.constantFrom('a', 'bc', '\r', '\n', '\r\n', '\r\r\n'), { maxLength: 400 })
  .map((all) => Buffer.from(all.join('')));
const fraction = fc.double({ min: 0, max: 1, noNaN: true });

describe('Merge', () => {
  it('gives what the log gives while there is no attach', () => {
    fc.assert(
      fc.property(binary, fc.array(fraction), (output, cuts) => {
        const scene = new Scene(new Merge(), output, false);
        for (const at of places(output, cuts)) scene.logBrings(at);
        scene.end();
        expect(scene.result.equals(output)).toBe(true);
      }),
    );
  });

  it.each([
    ['while the next connection is open', true],
    ['before there is another', false],
  ])('keeps what attach brought and was cut, when the log turns out to be forbidden %s', (_, asked) => {
    const output = varied(100_000);
    const scene = new Scene(new Merge(), output);
    scene.attach(0);
    scene.attachBrings(50_000);
    scene.attachEnds(false);
    const resume = () => {
      scene.attach(60_000);
      scene.attachBrings(100_000);
    };
    if (asked) resume();
    scene.merge.onLogRefused(scene.now);
    if (!asked) resume();
    scene.attachEnds(true);
    scene.merge.finish(scene.now);
    const expected = Buffer.concat([output.subarray(0, 50_000), output.subarray(60_000)]);
    expect(scene.result.equals(expected)).toBe(true);
    expect(scene.merge.flaws.gaps).toEqual([
      { at: 50_000, reason: 'attach was interrupted, and the log may not be read' },
    ]);
  });

  it('keeps what attach brought for so long that it was not kept for comparing, when the log is forbidden', () => {
    const output = varied(3 * WINDOW);
    const scene = new Scene(new Merge(), output);
    scene.merge.onLogReady(scene.now, false);
    scene.attach(0);
    scene.attachBrings(2 * WINDOW);
    scene.wait(40_000);
    scene.attachBrings(output.length);
    scene.merge.onLogRefused(scene.now);
    scene.attachEnds(true);
    scene.merge.finish(scene.now);
    expect(scene.result.equals(output)).toBe(true);
    expect(scene.merge.flaws.gaps).toEqual([]);
  });

  it('loses and repeats nothing, however the sources interleave, end and begin again', () => {
    const event = fc.record({
      what: fc.constantFrom('log', 'attach', 'both', 'drop', 'begin', 'wait'),
      at: fraction,
    });
    fc.assert(
      fc.property(fc.oneof(binary, lines), fc.array(event, { maxLength: 40 }), (output, events) => {
        const scene = new Scene(new Merge(), output, false);
        const at = places(
          output,
          events.map((one) => one.at),
        );
        let open = false;
        let level = 0;
        for (const [index, { what }] of events.entries()) {
          const position = at[index] ?? 0;
          if (what === 'begin' && !open) {
            scene.attach(level);
            open = true;
          } else if (what === 'drop' && open) {
            scene.attachEnds(false);
            open = false;
          } else if (what === 'wait') {
            // Only with the sources level is silence what it seems to be.
            scene.logBrings(level);
            if (open) scene.attachBrings(level);
            scene.wait(400);
          } else {
            level = position;
            if (what !== 'attach') scene.logBrings(position);
            if (what !== 'log' && open) scene.attachBrings(position);
          }
        }
        if (open) {
          scene.attachBrings(output.length);
          scene.attachEnds(true);
        }
        scene.end();
        expect(scene.result.toString('latin1')).toBe(output.toString('latin1'));
        expect(scene.merge.flaws.gaps).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });

  it('keeps the carriage returns that the log folds where attach has them', () => {
    fc.assert(
      fc.property(returns, fc.array(fraction), (output, cuts) => {
        const scene = new Scene(new Merge(), output);
        scene.attach(0);
        for (const at of places(output, cuts)) {
          scene.attachBrings(at);
          scene.logBrings(at);
          scene.wait(500);
        }
        scene.attachBrings(output.length);
        scene.attachEnds(true);
        scene.end();
        expect(scene.result.toString('latin1')).toBe(output.toString('latin1'));
      }),
    );
  });

  it('takes the end from the log when attach ends short', () => {
    const output = Buffer.from(Array.from({ length: 5000 }, (_, at) => `line ${at}\n`).join(''));
    const scene = new Scene(new Merge(), output);
    scene.logBrings(1000);
    scene.attach(2000);
    scene.attachBrings(9000);
    scene.logBrings(9000);
    scene.wait(500);
    scene.attachBrings(output.length - 4500);
    scene.attachEnds(true);
    scene.end();
    expect(scene.result.equals(output)).toBe(true);
  });

  it('does not wait for an attach that ended before it was placed, however much the log brings', () => {
    const output = varied(8 << 20);
    const scene = new Scene(new Merge(), output, false);
    scene.attach(1_000_000);
    scene.attachBrings(1_300_000);
    scene.merge.onAttachClosed(scene.now, false, true);
    for (let at = 10_000; at < output.length; at += 10_000) {
      expect(scene.merge.pauseLog).toBe(false);
      scene.logBrings(at);
      scene.wait(50);
    }
    scene.end();
    expect(scene.result.equals(output)).toBe(true);
    expect(scene.merge.flaws.gaps).toEqual([]);
  });

  it('gives what attach gives when the log loses something in the middle, ahead of attach or behind it', () => {
    const output = varied(600_000, { crlf: true });
    const lost = output.lastIndexOf(10, 300_000) + 1;
    const found = output.lastIndexOf(10, 450_000) + 1;
    const lossy = Buffer.concat([output.subarray(0, lost), output.subarray(found)]);
    for (const ahead of [true, false]) {
      const merge = new Merge();
      const written: Buffer[] = [];
      let now = 1_000_000;
      let cursor = 0;
      const log = (to: number) => {
        if (merge.order.kind === 'resume') merge.onLog(now, lossy.subarray(cursor, to), cursorAt(to));
        cursor = to;
      };
      merge.onLogReady(now, true);
      merge.onAttachAsked(now);
      merge.onAttachHeard(now, true);
      merge.onAttach(now, 0, output.subarray(0, 100_000));
      log(100_000);
      for (const end = now + 1_000; now < end; now += 50) merge.tick(now);
      for (let at = 100_000; at < output.length; at += 1_000) {
        if (ahead) log(Math.min(lossy.length, at + 900));
        merge.onAttach(now, 0, output.subarray(at, at + 1_000));
        if (!ahead) log(Math.min(lossy.length, at + 900));
        written.push(...merge.takeWrites());
        now += 5;
      }
      merge.onAttachClosed(now, true);
      merge.onLogEnd(now);
      merge.finish(now);
      written.push(...merge.takeWrites());
      expect(Buffer.concat(written).equals(output)).toBe(true);
      expect(merge.flaws.gaps).toEqual([]);
    }
  });

  describe('gives each byte once when the log behind attach loses something in the middle of a long line', () => {
    // Lines so long that the log gives them in pieces without a newline.
    const lines = Array.from({ length: 9 }, (_, i) =>
      Buffer.concat([varied(90_000, { seed: i + 1 }), Buffer.from('\n')]),
    );
    const output = Buffer.concat(lines.map((line) => line.map((byte) => (byte === 10 ? 32 : byte)))).map(
      (byte, at) => ((at + 1) % 90_001 === 0 ? 10 : byte),
    ) as Buffer;
    const lossy = Buffer.concat([output.subarray(0, 300_000), output.subarray(500_000)]);
    const ends = {
      'and attach goes on': undefined,
      'and attach has brought all': true,
      'and attach was cut': false,
    };

    it.each(Object.entries(ends))('%s', (_, whole) => {
      const merge = new Merge();
      const written: Buffer[] = [];
      let now = 1_000_000;
      let obeyed = merge.order.id;
      let at = 0;
      const tick = (ms: number) => {
        for (const end = now + ms; now < end; now += 50) merge.tick(now);
      };
      const log = (to: number) => {
        for (; at < to; at += 16_384) {
          const { order } = merge;
          if (order.id !== obeyed) {
            obeyed = order.id;
            // A new stream is of the file that came after the loss.
            at = 'cursor' in order ? (order.cursor?.taken ?? 0) : 300_000;
          }
          merge.onLog(
            now,
            lossy.subarray(at, Math.min(at + 16_384, to)),
            cursorAt(Math.min(at + 16_384, to)),
          );
        }
        at = to;
      };
      merge.onLogReady(now, true);
      merge.onAttachAsked(now);
      merge.onAttachHeard(now, true);
      merge.onAttach(now, 0, output.subarray(0, 16_384));
      log(16_384);
      tick(1_000);
      merge.onAttach(now, 0, output.subarray(16_384));
      if (whole !== undefined) merge.onAttachClosed(now, whole);
      log(lossy.length);
      tick(15_000);
      if (whole === undefined) merge.onAttachClosed(now, true);
      for (let round = 0; round < 5; round++) {
        log(lossy.length);
        merge.onLogEnd(now);
      }
      merge.finish(now);
      written.push(...merge.takeWrites());
      expect(Buffer.concat(written).length).toBe(output.length);
      expect(Buffer.concat(written).equals(output)).toBe(true);
      expect(merge.flaws.gaps).toEqual([]);
    });
  });

  it('leaves a log that falls behind, and finds its place again when attach drops', () => {
    const output = Buffer.from(
      Array.from({ length: 500_000 }, (_, at) => `${(at * 2654435761) % 4294967296}\n`).join(''),
    );
    expect(output.length).toBeGreaterThan(WINDOW * 2);
    const scene = new Scene(new Merge(), output);
    scene.leavesLogBehind(WINDOW * 2);
    expect(scene.merge.order.kind).toBe('hold');
    scene.attachEnds(false);
    expect(scene.merge.order.kind).toBe('release');
    scene.end();
    expect(scene.result.equals(output)).toBe(true);
    expect(scene.merge.flaws.gaps).toEqual([]);
  });

  describe('when attach has brought everything to the end, and the log is far behind', () => {
    const output = varied(WINDOW * 4, { seed: 44 });
    const whole = (scene: Scene, expected = output) => {
      expect(scene.result.equals(expected)).toBe(true);
      expect(scene.merge.flaws.gaps).toEqual([]);
      expect([...scene.merge.notes]).toEqual([]);
    };
    /** Attach brings so much of the output, the log next to nothing; then attach says that this was all. */
    const behind = (bytes = output.length, all = output): Scene => {
      const scene = new Scene(new Merge(), all);
      scene.leavesLogBehind(bytes);
      scene.attachBrings(bytes);
      scene.attachEnds(true);
      expect(scene.merge.order.kind).toBe('tail');
      return scene;
    };

    it('looks at the log only at its end', () => {
      const all = varied(WINDOW * 4, { seed: 45, crlf: true });
      const scene = behind(all.length, all);
      scene.end();
      whole(scene, all);
      expect(scene.logRead).toBeLessThanOrEqual(5000);
      const { checkpoint } = scene.merge;
      expect(checkpoint.logAt).toBe(checkpoint.written);
      expect(checkpoint.cursor).toEqual(cursorAt(normalise(all).length));
    });

    it('does so as well when the log was being read again', () => {
      const scene = new Scene(new Merge(), output);
      scene.leavesLogBehind(output.length);
      scene.attachBrings(output.length);
      scene.wait(1_100);
      expect(scene.merge.order.kind).toBe('release');
      scene.attachEnds(true);
      expect(scene.merge.order.kind).toBe('tail');
      scene.end();
      whole(scene);
      expect(scene.logRead).toBe(5000);
    });

    it.each([1, 45_000, 69_000, 500_000])('reads it all when attach was %d bytes short', (short) => {
      const scene = behind(output.length - short);
      scene.end();
      whole(scene);
      expect(scene.logRead).toBeGreaterThan(WINDOW);
    });

    it.each([
      ['cannot be read', 0],
      ['is too short to prove anything', 4_000],
    ])('reads it all when its end %s', (_, tail) => {
      const scene = behind();
      scene.end(tail);
      whole(scene);
      expect(scene.logRead).toBeGreaterThan(WINDOW);
    });

    it('reads it all when the output repeats itself, as then its end says nothing', () => {
      const all = Buffer.concat([output, Buffer.alloc(300_000, 'again and again\n')]);
      const scene = behind(all.length - 160, all);
      scene.end();
      whole(scene, all);
    });

    it('reads on when the container goes on', () => {
      const scene = behind(WINDOW * 3);
      scene.attach(WINDOW * 3 + 70_000);
      expect(scene.merge.order.kind).toBe('release');
      scene.attachBrings(output.length);
      scene.attachEnds(true);
      scene.end();
      whole(scene);
    });
  });

  it('looks for its place by content when the log that it left has been rotated more than once since', () => {
    const output = varied(WINDOW * 3, { seed: 41 });
    const scene = new Scene(new Merge(), output, false);
    scene.leavesLogBehind(WINDOW * 2);
    scene.attachEnds(false);
    scene.merge.onLogLost(scene.now);
    expect(scene.merge.order.kind).toBe('start');
    scene.end();
    expect(scene.result.equals(output)).toBe(true);
    expect(scene.merge.flaws.gaps).toEqual([]);
    expect([...scene.merge.unsure]).toEqual([]);
  });

  it('says so when that content came more than once in the log, as the place may be the wrong one then', () => {
    const stretch = varied(WINDOW + 1_000_003, { seed: 44 });
    const output = Buffer.concat([stretch, stretch, stretch]);
    const scene = new Scene(new Merge(), output, false);
    scene.leavesLogBehind(stretch.length * 2 + 12_345);
    scene.attachEnds(false);
    scene.merge.onLogLost(scene.now);
    scene.end();
    expect([...scene.merge.unsure]).toEqual([expect.stringContaining('may be there twice')]);
  });

  it('does not doubt its place for content that comes again later, at a time that was not looked at', () => {
    const stretch = varied(WINDOW + 1_000_003, { seed: 45 });
    const output = Buffer.concat([stretch, stretch]);
    const scene = new Scene(new Merge(), output, false);
    scene.leavesLogBehind(WINDOW);
    scene.attachEnds(false);
    scene.merge.onLogLost(scene.now);
    scene.wait(50);
    scene.logBrings(WINDOW + 10_000);
    scene.logStamp = '2026-01-02T03:05:05Z';
    scene.logBrings(WINDOW + 20_000);
    scene.end();
    expect(scene.result.equals(output)).toBe(true);
    expect([...scene.merge.unsure]).toEqual([]);
  });

  it('places output that repeats itself in stretches longer than it keeps, when attach drops behind the log', () => {
    const stretch = varied(WINDOW + 1_000_003, { seed: 42 });
    const output = Buffer.concat([stretch, stretch, stretch, Buffer.from('the end\n')]);
    const scene = new Scene(new Merge(), output, false);
    scene.attach(0);
    scene.attachBrings(5000);
    scene.logBrings(5000);
    scene.wait(500);
    const drop = stretch.length * 2 + 1_234_567;
    for (let at = 5000; at < drop; at += 30_000) {
      scene.now += 1;
      scene.attachBrings(at);
    }
    scene.attachEnds(false);
    scene.logBrings(stretch.length + 7);
    scene.attach(drop + 500_000);
    scene.attachBrings(drop + 900_000);
    scene.logBrings(output.length - 100_000);
    scene.wait(500);
    scene.attachBrings(output.length);
    scene.attachEnds(true);
    scene.end();
    expect(scene.result.length).toBe(output.length);
    expect(scene.result.equals(output)).toBe(true);
    expect(scene.merge.flaws.gaps).toEqual([]);
  });

  it('reads on a log that it left when attach rests, however far behind that is', () => {
    const output = varied(WINDOW * 4, { seed: 43 });
    const scene = new Scene(new Merge(), output, false);
    scene.leavesLogBehind(WINDOW * 3);
    expect(scene.merge.order.kind).toBe('hold');
    scene.wait(1_100);
    expect(scene.merge.order.kind).toBe('release');
    // Attach goes on slowly meanwhile: that is no reason to leave the log again, as it comes nearer.
    for (let log = 5000, at = WINDOW * 3; log < at; log += 60_000, at += 1_000) {
      scene.attachBrings(at);
      scene.logBrings(log);
      expect(scene.merge.order.kind).toBe('release');
    }
    scene.attachBrings(output.length);
    expect(scene.merge.order.kind).toBe('release');
    scene.attachEnds(true);
    scene.end();
    expect(scene.result.equals(output)).toBe(true);
  });

  it('reports a gap, at its place, when the log was rotated away and attach did not have it', () => {
    const merge = new Merge();
    merge.onLogReady(0, true);
    merge.onLog(0, Buffer.from('first\n'), cursorAt(6));
    merge.takeWrites();
    merge.onLogLost(1);
    expect(merge.order.kind).toBe('after');
    merge.onLog(2, Buffer.from('third\n'), cursorAt(6));
    expect(Buffer.concat(merge.takeWrites()).toString()).toBe('third\n');
    expect(merge.flaws.gaps).toMatchObject([{ at: 6, bytes: undefined }]);
  });

  it.each([
    ['puts what attach had brought of a lost beginning before the log', 600_000],
    ['says where it stands when the log is written already', 9_500_000],
  ])('%s', (_, size) => {
    const output = varied(400_000 + size, { seed: 5 });
    const [shown, rest] = [output.subarray(0, 300_000), output.indexOf('\n', 400_000) + 1];
    const logged = normalise(output.subarray(rest));
    const merge = new Merge();
    merge.onAttachAsked(0);
    merge.onAttachHeard(0, true);
    merge.onAttach(0, 0, shown);
    merge.onAttachClosed(1_000, false, true);
    merge.onLogReady(1_000, true);
    for (let at = 0; at < logged.length; at += 100_000)
      merge.onLog(1_000, logged.subarray(at, at + 100_000), cursorAt(Math.min(at + 100_000, logged.length)));
    merge.onLogEnd(2_000);
    merge.finish(2_000);
    const late = size > 9_000_000;
    const whole = late ? [logged, shown] : [shown, logged];
    expect(Buffer.concat(merge.takeWrites()).equals(Buffer.concat(whole))).toBe(true);
    const lost = { at: late ? 0 : shown.length, reason: 'the log had lost its beginning before it was read' };
    expect(merge.flaws.gaps).toMatchObject(
      late
        ? [
            lost,
            {
              at: logged.length,
              reason: 'out of order: from here on the beginning, which only attach brought',
            },
          ]
        : [lost],
    );
    merge.loseHead('it is likely');
    expect(merge.flaws.gaps).toHaveLength(late ? 2 : 1);
  });

  it('gives each line of both channels once, also those that attach lost when it dropped', () => {
    const line = fc.tuple(
      fc.constantFrom<0 | 1>(0, 1),
      fc.constantFrom('tick', 'warn', 'deep', 'long'.repeat(30)),
    );
    fc.assert(
      fc.property(fc.array(line, { minLength: 2, maxLength: 60 }), fc.nat(60), (all, lost) => {
        const merge = new Merge();
        const text = ([, word]: readonly [0 | 1, string]) => Buffer.from(`${word}\n`);
        merge.onLogReady(0, true);
        merge.onAttachAsked(0);
        merge.onAttachHeard(0, true);
        const drop = Math.max(0, all.length - lost);
        // Attach brings the channels one after the other, the log in order.
        for (const channel of [0, 1] as const) {
          for (const one of all.slice(0, drop)) if (one[0] === channel) merge.onAttach(1, channel, text(one));
        }
        merge.onLog(2, Buffer.concat(all.slice(0, drop).map(text)), cursorAt(1));
        for (let now = 50; now < 1000; now += 50) merge.tick(now);
        merge.onAttachClosed(1000, false);
        merge.onLog(1001, Buffer.concat(all.slice(drop).map(text)), cursorAt(2));
        merge.onLogEnd(1002);
        merge.finish(1003);
        const got = Buffer.concat(merge.takeWrites()).toString().split('\n').sort();
        expect(got).toEqual([...all.map(([, word]) => word), ''].sort());
      }),
    );
  });

  it('gives each line of both channels once, whichever source brings it first, however long either is silent', () => {
    const word = fc.constantFrom('tick', 'tock', 'a', 'b', 'c', 'd', 'e', 'f', 'g');
    const event = fc.record({ what: fc.constantFrom('log', 'attach', 'wait'), count: fc.nat(20) });
    const input = fc.tuple(
      fc.array(word, { maxLength: 60 }),
      fc.boolean(),
      fc.array(event, { maxLength: 40 }),
      fc.nat(30),
      fc.boolean(),
    );
    fc.assert(
      fc.property(input, ([words, numbered, events, missed, ends]) => {
        const all = words.map((one, at) => (numbered ? `${one} ${at}\n` : `${one}\n`));
        const merge = new Merge();
        let now = 1;
        let logAt = 0;
        let attachAt = missed; // it begins there
        merge.onLogReady(now, true);
        merge.onAttachAsked(now);
        merge.onAttachHeard(now, true);
        // The channels take turns.
        const attach = (to: number) => {
          for (; attachAt < Math.min(to, all.length); attachAt++)
            merge.onAttach(now, (attachAt % 2) as 0 | 1, Buffer.from(all[attachAt] ?? ''));
        };
        const log = (to: number) => {
          const lines = all.slice(logAt, to).join('');
          logAt = Math.max(logAt, Math.min(to, all.length));
          if (lines) merge.onLog(now, Buffer.from(lines), cursorAt(logAt));
        };
        merge.onAttach(now, 0, Buffer.from('begin\n'));
        merge.onAttach(now, 1, Buffer.from('begin\n'));
        merge.onLog(now, Buffer.from('begin\nbegin\n'), cursorAt(0));
        for (const { what, count } of events) {
          if (what === 'log') log(logAt + count);
          else if (what === 'attach') attach(attachAt + count);
          else for (const end = now + count * 50; now < end; now += 50) merge.tick(now);
        }
        if (ends) attach(all.length);
        merge.onAttachClosed(now, ends, true);
        log(all.length);
        merge.onLogEnd(now);
        merge.finish(now);
        const got = Buffer.concat(merge.takeWrites())
          .toString()
          .split(/(?<=\n)/);
        expect(got.sort()).toEqual(['begin\n', 'begin\n', ...all].sort());
      }),
      { numRuns: 1000 },
    );
  });
});
