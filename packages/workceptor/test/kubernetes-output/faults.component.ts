import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LogFault, Script, ScriptIo } from '@receptor/kubernetes-simulator';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { normalise } from '../../src/workers/kubernetes/output/normalise.js';
import { inPieces, PodScene, slowClock, UnitFiles } from '../support/pod-scene.js';
import { numbers, varied } from '../support/varied.js';

const attached = (io: ScriptIo) => io.attached;

let unit: UnitFiles;
beforeEach(() => {
  unit = new UnitFiles();
});
afterEach(() => unit.remove());

const same = (bytes: Buffer, expected: Buffer): void => {
  if (bytes.equals(expected)) return;
  let at = 0;
  while (at < bytes.length && bytes[at] === expected[at]) at++;
  const around = (all: Buffer) => all.toString('latin1', Math.max(0, at - 20), at + 60);
  expect({ length: bytes.length, at, here: around(bytes) }).toEqual({
    length: expected.length,
    at: expected.length,
    here: around(expected),
  });
};

describe('a log that is cut', () => {
  let scene: PodScene;
  let allow = () => {};
  beforeAll(async () => {
    scene = await PodScene.start({ log: { clock: slowClock(20_000_000n), maxBytes: 1 << 30 } });
    allow = scene.cluster.forbid({ resource: 'pods/attach' });
  });
  afterAll(async () => {
    allow();
    await scene.close();
  });
  afterEach(() => scene.cluster.faults.clear());

  it('is read to its end, each stream being cut a few bytes behind where the one before was', async () => {
    const text = varied(64 << 10);
    const pod = await scene.startPod(inPieces(text, text.length));
    await pod.ended;
    let cut = 0;
    let streams = 0;
    scene.cluster.faults.add('log', ({ query }): LogFault => {
      streams++;
      // A stream begins up to two seconds before the place that was read to: a hundred lines, or 40 KB.
      cut = query.sinceTime ? cut + 149 : 149;
      return { cutAfter: Math.min(cut, 60_000), pieceBytes: 4096 };
    });
    const report = await scene.collect(pod, unit);
    same(unit.stdout, text);
    expect(report.gaps).toEqual([]);
    expect(streams).toBeGreaterThan(100);
  });

  it('of 64 MiB is read to its end, being cut at random', async () => {
    const text = varied(64 << 20, { seed: 7 });
    const pod = await scene.startPod(inPieces(text, 1 << 20));
    await pod.ended;
    const random = numbers(11);
    let streams = 0;
    scene.cluster.faults.add('log', (): LogFault => {
      streams++;
      return { cutAfter: 1 + Math.floor(random() * (6 << 20)), cutBy: random() < 0.5 ? 'reset' : 'end' };
    });
    const report = await scene.collect(pod, unit);
    same(unit.stdout, text);
    expect(report.gaps).toEqual([]);
    expect(streams).toBeGreaterThan(10);
  });
});

describe('attach and log together', () => {
  let scene: PodScene;
  beforeAll(async () => {
    scene = await PodScene.start();
  });
  afterAll(() => scene.close());
  afterEach(() => scene.cluster.faults.clear());

  it('give carriage returns, binary bytes and long lines exactly, from the first byte on', async () => {
    const text = varied(6 << 20, { crlf: true, seed: 3 });
    const pod = await scene.createPod(inPieces(text, 100_000, 5, attached));
    const report = await scene.collect(pod, unit);
    same(unit.stdout, text);
    expect(report).toMatchObject({ gaps: [], notes: [] });
    expect(report.uncertain).toBeUndefined();
  });

  it('lose nothing when both are cut at random moments, and say where carriage returns may be missing', async () => {
    for (const seed of [1, 2, 3]) {
      const random = numbers(seed);
      const text = varied(2 << 20, { crlf: true, seed });
      scene.cluster.faults.add('log', () => ({ cutAfter: 1 + Math.floor(random() * 4_000_000) }));
      scene.cluster.faults.add('attach', () => ({ cutAfter: 1 + Math.floor(random() * 500_000) }));
      const pod = await scene.createPod(inPieces(text, 20_000, 10, attached));
      const again = new UnitFiles();
      const report = await scene.collect(pod, again);
      scene.cluster.faults.clear();
      same(normalise(again.stdout), normalise(text));
      expect(report.gaps).toEqual([]);
      if (!again.stdout.equals(text)) expect(report.uncertain?.length).toBeGreaterThan(0);
      // Outside of the uncertain parts every carriage return is there.
      const missing = text.length - again.stdout.length;
      const possible = report.uncertain?.reduce((sum, part) => sum + part.lineFeeds, 0) ?? 0;
      expect(missing).toBeLessThanOrEqual(possible);
      again.remove();
    }
  });

  it('take the end from the log when attach ends short, though it says that it ended well', async () => {
    const text = varied(1 << 20, { seed: 5 });
    for (const shortAfter of [0, 1, 4_096, 700_001, (1 << 20) - 1]) {
      scene.cluster.faults.add('attach', { shortAfter });
      const pod = await scene.createPod(inPieces(text, 50_000, 5, attached));
      const again = new UnitFiles();
      const report = await scene.collect(pod, again);
      scene.cluster.faults.clear();
      same(again.stdout, text);
      expect(report.gaps).toEqual([]);
      again.remove();
    }
  });

  it.each([
    ['look at the log only at its end when it is far behind', {}, 2],
    ['read it all when it is far behind and attach ended short', { shortAfter: (8 << 20) - 45_000 }, 4],
  ])('%s', async (_, fault, requests) => {
    const text = varied(8 << 20, { seed: 6 });
    scene.cluster.faults.add('attach', fault);
    // Of the stream that is followed comes nothing but its beginning.
    scene.cluster.faults.add('log', ({ query }): LogFault => {
      return query.follow === 'true' ? { silentAfter: 100_000 } : {};
    });
    const pod = await scene.createPod(inPieces(text, 100_000, 5, attached));
    const report = await scene.collect(pod, unit);
    same(unit.stdout, text);
    expect(report).toMatchObject({ gaps: [], notes: [] });
    const asked = scene.cluster.requests.filter((one) => one.operation === 'log' && one.name === pod.name);
    expect(asked.filter(({ query }) => query.tailLines)).toHaveLength(1);
    // The one that is followed, the end; and then all of it, and once more for what may have come meanwhile.
    expect(asked).toHaveLength(requests);
  });

  it('are not fooled by the same line again and again', async () => {
    const line = Buffer.from('the same line again\n');
    const text = Buffer.alloc(20 << 20, line);
    const random = numbers(9);
    scene.cluster.faults.add('attach', () => ({ cutAfter: 1 + Math.floor(random() * (4 << 20)) }));
    const report = await scene.collect(await scene.createPod(inPieces(text, 200_000, 1, attached)), unit);
    expect(unit.stdout.length).toBe(text.length);
    same(unit.stdout, text);
    expect(report.gaps).toEqual([]);
  });

  it('give the lines of standard output and standard error whole', async () => {
    const out = Array.from({ length: 3000 }, (_, i) => `out ${i}\n`);
    const err = Array.from({ length: 3000 }, (_, i) => `err ${i}\n`);
    const script: Script = async (io) => {
      await io.attached;
      for (let i = 0; i < out.length; i++) {
        await io.stdout(out[i] ?? '');
        await io.stderr(err[i] ?? '');
        if (i % 100 === 0) await new Promise((resolve) => setTimeout(resolve, 10));
      }
      return 0;
    };
    scene.cluster.faults.add('attach', { cutAfter: 20_000 }, { times: 1 });
    const report = await scene.collect(await scene.createPod(script), unit);
    const lines = unit.stdout.toString().split(/(?<=\n)/);
    expect(lines.filter((line) => line.startsWith('out'))).toEqual(out);
    expect(lines.filter((line) => line.startsWith('err'))).toEqual(err);
    expect(report.gaps).toEqual([]);
  });

  it('deliver a payload to an old server, whose connection must end for it, and lose no output', async () => {
    scene.cluster.faults.add('attach', { old: true });
    const payload = randomBytes(2_000_000);
    const path = join(unit.directory, 'stdin');
    writeFileSync(path, payload);
    const pod = await scene.createPod(async (io) => {
      const chunks: Buffer[] = [];
      for await (const chunk of io.stdin) chunks.push(chunk as Buffer);
      await io.stdout(Buffer.concat(chunks));
      return 0;
    });
    const report = await scene.collect(pod, unit, { stdin: { path, size: payload.length } });
    same(unit.stdout, payload);
    expect(report).toMatchObject({ stdin: 'sent', gaps: [], notes: [] });
  });
});

describe('one source alone', () => {
  let scene: PodScene;
  beforeAll(async () => {
    scene = await PodScene.start();
  });
  afterAll(() => scene.close());

  it('is attach where the log is forbidden, and what that leaves open is said', async () => {
    const allow = scene.cluster.forbid({ resource: 'pods/log' });
    const text = varied(1 << 20, { crlf: true });
    const pod = await scene.createPod(inPieces(text, 50_000, 5, attached));
    const report = await scene.collect(pod, unit).finally(allow);
    same(unit.stdout, text);
    expect(report.gaps).toEqual([]);
    expect(report.notes.join()).toMatch(/The log may not be read .* could not be verified/);
  });

  it('is attach that ends short where the log is forbidden: a gap', async () => {
    const allow = scene.cluster.forbid({ resource: 'pods/log' });
    scene.cluster.faults.add('attach', { cutAfter: 500_000 }, { times: 1 });
    const text = varied(1 << 20, { crlf: true });
    const pod = await scene.createPod(inPieces(text, 50_000, 5, attached));
    const report = await scene.collect(pod, unit).finally(allow);
    expect(report.gaps).toMatchObject([{ reason: 'attach was interrupted, and the log may not be read' }]);
    const { at } = report.gaps[0] ?? { at: 0 };
    expect(unit.stdout.subarray(0, at).equals(text.subarray(0, at))).toBe(true);
    const rest = unit.stdout.subarray(at);
    expect(rest.equals(text.subarray(text.length - rest.length))).toBe(true);
  });

  it('is the log where attach is forbidden, and carriage returns that may be missing are told', async () => {
    const allow = scene.cluster.forbid({ resource: 'pods/attach' });
    const text = varied(1 << 20, { crlf: true });
    const pod = await scene.createPod(inPieces(text, 50_000, 5));
    const report = await scene.collect(pod, unit).finally(allow);
    same(normalise(unit.stdout), normalise(text));
    expect(report.uncertain).toMatchObject([{ at: 0, bytes: unit.stdout.length }]);
  });
});

describe('a log that is rotated', () => {
  /** A log that alone gives the output. @param keep `read` resolves when it is read for the first time */
  const rotated = async (
    loses: 'behind' | 'unread' | 'never',
    keep: (scene: PodScene, read: () => Promise<void>) => Promise<void>,
  ) => {
    const scene = await PodScene.start({ log: { maxBytes: 200_000, checkMs: 0, loses } });
    const allow = scene.cluster.forbid({ resource: 'pods/attach' });
    const read = new Promise<void>((resolve) => {
      scene.cluster.faults.add('log', () => {
        resolve();
        return undefined;
      });
    });
    await keep(scene, () => read).finally(allow);
    await scene.close();
  };
  const text = Buffer.from(Array.from({ length: 40_000 }, (_, i) => `line ${i}\n`).join(''));

  it('and lost between two streams gives a gap, with its place', () =>
    rotated('never', async (scene, read) => {
      scene.cluster.faults.add('log', [{ cutAfter: 90_000 }, { delayMs: 1_000 }]);
      const pod = await scene.createPod(inPieces(text, 10_000, 10, read));
      const report = await scene.collect(pod, unit);
      const { stdout } = unit;
      expect(report.gaps).toMatchObject([{ reason: 'the log was rotated before it was read' }]);
      const { at } = report.gaps[0] ?? { at: 0 };
      expect(at).toBeGreaterThan(0);
      same(stdout.subarray(0, at), text.subarray(0, at));
      const rest = stdout.subarray(at);
      same(rest, text.subarray(text.length - rest.length));
      expect(rest.length).toBeLessThan(text.length - at);
    }));

  it('and lost takes nothing away while attach gives the output', async () => {
    const scene = await PodScene.start({ log: { maxBytes: 4 << 20, checkMs: 0 } });
    const big = varied(16 << 20, { crlf: true, seed: 21 });
    const pod = await scene.createPod(inPieces(big, 500_000, 5, attached));
    const report = await scene.collect(pod, unit);
    await scene.close();
    same(unit.stdout, big);
    expect(report.gaps).toEqual([]);
  });

  /** A log whose first file is not there any more when it is read for the first time. */
  const headless = async (fileBytes: number, rest: Buffer) => {
    const scene = await PodScene.start({ log: { maxBytes: fileBytes, checkMs: 0 } });
    const head = varied(fileBytes, { seed: 31 });
    const whole = Buffer.concat([head, rest]);
    const script: Script = async (io) => {
      await io.stdout(whole);
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      return 0;
    };
    const pod = await scene.startPod(script);
    await pod.ended;
    const startedAt = Date.now() - 10_000;
    const report = await scene.collect({ ...pod, ended: Promise.resolve() }, unit, {
      ran: () => ({ startedAt }),
    });
    await scene.close();
    return { report, whole };
  };

  it('before it was read for the first time, and attach was not there: a gap at the beginning', async () => {
    const { report, whole } = await headless(10 << 20, varied(3 << 20, { seed: 32 }));
    expect(unit.stdout.length).toBeLessThan(whole.length);
    expect(report.gaps).toMatchObject([{ at: 0, reason: expect.stringMatching(/not listened to in the/) }]);
  });

  it('before it was read for the first time, with too little behind to tell: that is doubted', async () => {
    const { report, whole } = await headless(1 << 20, Buffer.from('\nthe last line\n'));
    expect(unit.stdout.length).toBeLessThan(whole.length);
    expect(report.gaps).toEqual([]);
    expect(report.doubts).toMatchObject([expect.stringMatching(/not listened to in the/)]);
    expect(report.notes.join()).toMatch(/The output was not listened to in the/);
  });

  it('while attach is there from the first byte on: nothing is doubted', async () => {
    const scene = await PodScene.start({ log: { maxBytes: 10 << 20, checkMs: 0 } });
    const text = varied(24 << 20, { seed: 33 });
    const pod = await scene.createPod(inPieces(text, 500_000, 1, attached));
    const ran = () => ({ startedAt: Date.now() - 60_000 });
    const report = await scene.collect(pod, unit, { ran });
    await scene.close();
    same(unit.stdout, text);
    expect(report).toMatchObject({ gaps: [] });
    expect(report.doubts).toBeUndefined();
  });

  it('but read whole gives none', () =>
    rotated('never', async (scene, read) => {
      const pod = await scene.createPod(inPieces(text, 10_000, 10, read));
      const report = await scene.collect(pod, unit);
      same(unit.stdout, text);
      expect(report.gaps).toEqual([]);
    }));
});
