import type { LogFault } from '@receptor/kubernetes-simulator';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseStamp } from '../../src/workers/kubernetes/output/stamp.js';
import type { Clock } from '../../src/workers/kubernetes/output/types.js';
import { PodScene, UnitFiles } from '../support/pod-scene.js';
import { varied } from '../support/varied.js';

/** How long lines are apart: so long that a stream begins with the line it is to go on in, or the one before. */
const STEP_NS = 5_000_000_000n;
/** Of a line in the log: its stamp, and a space. */
const STAMP_BYTES = 31;

/** The real time, but nothing waits before it tries again. */
const hasty: Clock = {
  now: () => Date.now(),
  after(ms, callback) {
    // These are how often the log source looks whether its stream is silent.
    if (ms === 250 || ms === 10_000) {
      const timer = setTimeout(callback, ms);
      return () => clearTimeout(timer);
    }
    const turn = setImmediate(callback);
    return () => clearImmediate(turn);
  },
};

/** Where the lines of a log begin in it, and where it ends. */
function linesOf(content: Buffer, first: bigint): { at: number; time: bigint }[] {
  const lines: { at: number; time: bigint }[] = [];
  let at = 0;
  for (let from = 0; from < content.length; ) {
    const newline = content.indexOf(10, from);
    const end = newline < 0 ? content.length : newline + 1;
    lines.push({ at, time: first + STEP_NS * BigInt(lines.length) });
    at += STAMP_BYTES + end - from;
    from = end;
  }
  lines.push({ at, time: first + STEP_NS * BigInt(lines.length) });
  return lines;
}

describe('a log of 64 KiB whose streams are cut, each a byte behind the one before', () => {
  let unit: UnitFiles;
  beforeEach(() => {
    unit = new UnitFiles();
  });
  afterEach(() => unit.remove());

  it('is read exactly, over HTTP, whatever the byte', async () => {
    // A line without an end is in the log only when its container has ended, which is not to be before the last cut.
    const varying = varied(64 << 10);
    const content = varying.subarray(0, varying.lastIndexOf(10) + 1);
    const first = BigInt(Date.now() - 86_400_000) * 1_000_000n;
    const lines = linesOf(content, first);
    const length = lines.at(-1)?.at ?? 0;
    let time = first - STEP_NS;
    const scene = await PodScene.start({
      log: {
        maxBytes: 1 << 30,
        clock: () => {
          time += STEP_NS;
          return time;
        },
      },
    });
    const allow = scene.cluster.forbid({ resource: 'pods/attach' });
    let end = () => {};
    const over = new Promise<void>((resolve) => {
      end = resolve;
    });
    const pod = await scene.startPod(async (io) => {
      await io.stdout(content);
      await over;
      return 0;
    });
    let cut = 0;
    scene.cluster.faults.add('log', ({ query }): LogFault => {
      cut++;
      if (cut >= length) {
        end();
        return {};
      }
      const since = query.sinceTime === undefined ? 0n : (parseStamp(query.sinceTime) ?? 0n);
      const begin = lines.find((line) => line.time >= since)?.at ?? 0;
      return { cutAfter: Math.max(0, cut - begin), cutBy: cut % 64 === 0 ? 'reset' : 'end' };
    });
    const report = await scene.collect(pod, unit, { clock: hasty });
    allow();
    await scene.close();
    expect(unit.stdout.equals(content)).toBe(true);
    expect(report.gaps).toEqual([]);
    expect(cut).toBeGreaterThanOrEqual(length);
  }, 300_000);
});
