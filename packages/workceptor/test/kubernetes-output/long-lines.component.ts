import type { Script } from '@receptor/kubernetes-simulator';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { OutputReport } from '../../src/workers/kubernetes/output/types.js';
import { PodScene, slowClock, UnitFiles } from '../support/pod-scene.js';
import { numbers } from '../support/varied.js';

/** Lines of up to `longest` bytes, each no other's. */
function lines(capital: boolean, count: number, longest: number, seed: number): Buffer[] {
  const random = numbers(seed);
  const first = capital ? 65 : 97;
  return Array.from({ length: count }, () => {
    const bytes = Buffer.alloc(1 + Math.floor(random() * (random() < 0.5 ? 200 : longest)), 10);
    for (let at = 0; at < bytes.length - 1; at++) bytes[at] = first + Math.floor(random() * 26);
    return bytes;
  });
}

/** Writes both at once, in pieces, so that the lines of one are written in the middle of the other's. */
const writing =
  (out: Buffer, err: Buffer, piece: number, restMs: number, attached = true): Script =>
  async (io) => {
    if (attached) await io.attached;
    for (let at = 0, other = 0; at < out.length || other < err.length; at += piece) {
      if (at < out.length) await io.stdout(out.subarray(at, at + piece));
      // It comes later, and is done with at the same time.
      const to = at < piece * 3 ? 0 : Math.ceil(((at + piece) / out.length) * err.length);
      if (to > other) await io.stderr(err.subarray(other, to));
      other = Math.max(other, to);
      if (restMs > 0) await new Promise((resolve) => setTimeout(resolve, restMs));
    }
    return 0;
  };

const sizes = (bytes: Buffer): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const byte of bytes) counts[byte] = (counts[byte] ?? 0) + 1;
  return counts;
};

let unit: UnitFiles;
beforeEach(() => {
  unit = new UnitFiles();
});
afterEach(() => unit.remove());

describe.each([
  ['8 KiB', 12_000, 60],
  ['16 KiB', 100_000, 30],
  ['1 MiB', 3_000_000, 8],
])('standard output and standard error with lines over %s', (_, longest, count) => {
  let scene: PodScene;
  beforeAll(async () => {
    scene = await PodScene.start({ log: { maxBytes: 1 << 30, clock: slowClock(300_000_000n) } });
  });
  afterAll(() => scene.close());
  afterEach(() => scene.cluster.faults.clear());

  const out = lines(false, count, longest, 5);
  const err = lines(true, count, longest / 4, 6);
  const [stdout, stderr] = [Buffer.concat(out), Buffer.concat(err)];
  const script = writing(stdout, stderr, 50_000, 5);
  /** Lines of more than a mebibyte on both at once can come twice, but not in silence. */
  const whole = (bytes: Buffer, { gaps, doubts }: OutputReport) => {
    expect(gaps).toEqual([]);
    const expected = sizes(Buffer.concat([stdout, stderr]));
    if (doubts === undefined || longest < 1 << 20) {
      expect(doubts).toBeUndefined();
      expect(sizes(bytes)).toEqual(expected);
      return;
    }
    expect(doubts).toMatchObject([expect.stringContaining('may be in the output twice')]);
    const found = sizes(bytes);
    for (const byte of Object.keys(expected)) expect(found[byte]).toBeGreaterThanOrEqual(expected[byte] ?? 0);
  };

  it('come whole, each line once', async () => {
    const report = await scene.collect(await scene.createPod(script), unit);
    whole(unit.stdout, report);
    // Lines of standard error that no other line had begun before.
    for (const line of err) if (line.length <= 8_000) expect(unit.stdout.includes(line)).toBe(true);
  });

  it('come whole when attach and log are cut at random', async () => {
    for (const seed of [1, 2, 3]) {
      const random = numbers(seed);
      scene.cluster.faults.add('log', () => ({
        cutAfter: longest + Math.floor(random() * (stdout.length / 2)),
      }));
      scene.cluster.faults.add('attach', () => ({
        cutAfter: 1 + Math.floor(random() * (stdout.length / 3)),
      }));
      const again = new UnitFiles();
      const report = await scene.collect(await scene.createPod(script), again);
      scene.cluster.faults.clear();
      whole(again.stdout, report);
      again.remove();
    }
  });

  it('come whole from the log alone', async () => {
    const allow = scene.cluster.forbid({ resource: 'pods/attach' });
    const pod = await scene.createPod(writing(stdout, stderr, 50_000, 5, false));
    const report = await scene.collect(pod, unit).finally(allow);
    whole(unit.stdout, report);
  });

  it('come whole though the daemon stops again and again', async () => {
    const random = numbers(9);
    const pod = await scene.createPod(script);
    for (let left = 6; ; left--) {
      const stop = new AbortController();
      const timer = left > 0 ? setTimeout(() => stop.abort(), 100 + random() * 400) : undefined;
      const report = await scene.collect(pod, unit, { signal: stop.signal }).catch((error) => {
        if (left <= 0) throw error;
        return undefined;
      });
      clearTimeout(timer);
      if (!report) continue;
      whole(unit.stdout, report);
      return;
    }
  });
});
