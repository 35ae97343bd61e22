import { createHash, randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Script } from '@receptor/kubernetes-simulator';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { OutputOptions, OutputReport } from '../../src/workers/kubernetes/output/index.js';
import { inPieces, PodScene, type ScenePod, UnitFiles } from '../support/pod-scene.js';

let scene: PodScene;
let unit: UnitFiles;
let directory: string;

beforeAll(async () => {
  scene = await PodScene.start();
});
afterAll(() => scene.close());
beforeEach(() => {
  unit = new UnitFiles();
  directory = unit.directory;
});
afterEach(() => {
  scene.cluster.faults.clear();
  unit.remove();
});

const startPod = (script: Script) => scene.startPod(script);
const collect = (pod: ScenePod, more: Partial<OutputOptions> = {}) => scene.collect(pod, unit, more);
const stdout = () => unit.stdout;
const digest = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

/** A varied text: empty lines, equal lines, long ones, no newline at the end. */
function variedText(size: number): Buffer {
  const parts: string[] = [];
  for (let length = 0, at = 0; length < size; at++) {
    const line =
      at % 7 === 0 ? '' : at % 5 === 0 ? 'tick' : at % 11 === 0 ? 'x'.repeat(at % 3000) : `line ${at}`;
    parts.push(`${line}\n`);
    length += line.length + 1;
  }
  return Buffer.from(`${parts.join('')}no newline`);
}

describe('collectOutput', () => {
  it('gives the whole output of a container that runs', async () => {
    const text = variedText(50_000);
    const report = await collect(await startPod(inPieces(text, 5_000, 30)));
    expect(digest(stdout())).toBe(digest(text));
    expect(report).toMatchObject({ bytes: text.length, gaps: [], stdin: 'none' });
  });

  it('gives the whole output of a container that ended before', async () => {
    const text = variedText(20_000);
    const pod = await startPod(inPieces(text, 20_000, 0));
    await pod.ended;
    const report = await collect({ ...pod, ended: Promise.resolve() });
    expect(stdout().equals(text)).toBe(true);
    expect(report.gaps).toEqual([]);
    expect(scene.cluster.requests.some((one) => one.operation === 'attach' && one.name === pod.name)).toBe(
      false,
    );
  });

  it('loses nothing when the log is cut again and again', async () => {
    const text = variedText(60_000);
    // Each stream begins up to two seconds before the place of interest, so that it has to live a little longer.
    let cut = 0;
    scene.cluster.faults.add('log', () => {
      cut += 10_007;
      return { cutAfter: 1 + cut, pieceBytes: 701 };
    });
    scene.cluster.faults.add('attach', { hangUp: true });
    const pod = await startPod(inPieces(text, 6_000, 20));
    const report = await collect(pod);
    expect(digest(stdout())).toBe(digest(text));
    expect(report.gaps).toEqual([]);
  });

  it('loses nothing when attach and log are both cut at random', async () => {
    const text = variedText(400_000);
    const random = (most: number) => 1 + Math.floor(Math.random() * most);
    scene.cluster.faults.add('log', () => ({ cutAfter: random(1_500_000) }));
    scene.cluster.faults.add('attach', () => ({ cutAfter: random(60_000), beginAfterMs: random(50) }));
    const report = await collect(await startPod(inPieces(text, 20_000, 40)));
    expect(digest(stdout())).toBe(digest(text));
    expect(report.gaps).toEqual([]);
  });

  it('takes the end from the log when attach ends short', async () => {
    const text = variedText(200_000);
    scene.cluster.faults.add('attach', { shortAfter: 60_000 });
    const report = await collect(await startPod(inPieces(text, 20_000, 40)));
    expect(digest(stdout())).toBe(digest(text));
    expect(report.gaps).toEqual([]);
  });

  it('works from the log alone when attach is refused, and says so', async () => {
    const allow = scene.cluster.forbid({ resource: 'pods/attach' });
    const text = variedText(20_000);
    const report = await collect(await startPod(inPieces(text, 5_000, 20))).finally(allow);
    expect(stdout().equals(text)).toBe(true);
    expect(report.notes.join()).toMatch(/Attach was refused/);
  });

  it('delivers a payload and its end, and takes its echo byte for byte', async () => {
    const payload = randomBytes(3_000_000);
    const path = join(directory, 'stdin');
    writeFileSync(path, payload);
    const pod = await startPod(async (io) => {
      for await (const chunk of io.stdin) await io.stdout(chunk as Buffer);
      return { exitCode: 0 };
    });
    let told = 0;
    const report = await collect(pod, { stdin: { path, size: payload.length }, onStdinSent: () => told++ });
    expect(report).toMatchObject({ stdin: 'sent', gaps: [] });
    expect(told).toBe(1);
    expect(digest(stdout())).toBe(digest(payload));
    expect(readFileSync(join(directory, 'kube-stdin'), 'utf8')).toBe('sent');
  });

  it('never sends a payload again of which a part may have arrived', async () => {
    writeFileSync(join(directory, 'kube-stdin'), 'sending');
    const path = join(directory, 'stdin');
    writeFileSync(path, 'payload');
    const pod = await startPod(inPieces(Buffer.from('out\n'), 10, 0));
    const report = await collect(pod, { stdin: { path, size: 7 } });
    expect(report.stdin).toBe('failed');
    expect(report.error?.message).toMatch(/payload was not delivered/);
  });

  it('fails clearly when the connection breaks in the middle of the payload', async () => {
    scene.cluster.faults.add('attach', { cutAfterStdin: 100_000 });
    const path = join(directory, 'stdin');
    writeFileSync(path, randomBytes(2_000_000));
    const pod = await startPod(async (io) => {
      for await (const _ of io.stdin);
      await new Promise((resolve) => setTimeout(resolve, 30_000));
      return { exitCode: 0 };
    });
    const report = await collect(pod, { stdin: { path, size: 2_000_000 } });
    expect(report.stdin).toBe('failed');
    expect(report.error?.message).toMatch(/connection broke/);
    await scene.deletePod(pod);
  });

  it('takes no harm from a container that ends without having read its payload', async () => {
    const path = join(directory, 'stdin');
    writeFileSync(path, randomBytes(5_000_000));
    const pod = await startPod(async (io) => {
      for await (const _ of io.stdin) break;
      await io.stdout('enough');
    });
    const report = await collect(pod, { stdin: { path, size: 5_000_000 } });
    expect(report).toMatchObject({ stdin: 'unread', gaps: [] });
    expect(report.error).toBeUndefined();
    expect(stdout().toString()).toBe('enough');
  });

  it('learns how a container ended that left its payload unread, though the server resets the connection', async () => {
    scene.cluster.faults.add('attach', { resetAtEnd: true });
    const path = join(directory, 'stdin');
    writeFileSync(path, randomBytes(20_000_000));
    for (let round = 0; round < 10; round++) {
      rmSync(join(directory, 'kube-stdin'), { force: true });
      rmSync(join(directory, 'kube-cursor.json'), { force: true });
      rmSync(join(directory, 'stdout'), { force: true });
      const pod = await startPod(async (io) => {
        for await (const _ of io.stdin) break;
        await io.stdout('enough');
      });
      const report = await collect(pod, { stdin: { path, size: 20_000_000 } });
      expect(report).toMatchObject({ stdin: 'unread', gaps: [] });
      expect(report.error).toBeUndefined();
      expect(report.notes).toContain('The container ended before it had taken the whole payload.');
      expect(stdout().toString()).toBe('enough');
    }
  });

  it('does not take the end of a container that the broken connection caused for its own', async () => {
    scene.cluster.faults.add('attach', { cutAfterStdin: 100_000 });
    const path = join(directory, 'stdin');
    writeFileSync(path, randomBytes(2_000_000));
    const pod = await startPod(async (io) => {
      for await (const _ of io.stdin);
    });
    const report = await collect(pod, { stdin: { path, size: 2_000_000 } });
    expect(report.stdin).toBe('failed');
    expect(report.error?.message).toMatch(/payload was not delivered: the connection broke/);
  });

  it('fails clearly when the connection breaks before the first byte, which ends the input of the container', async () => {
    scene.cluster.faults.add('attach', { cutAfterStdin: 0 });
    const path = join(directory, 'stdin');
    writeFileSync(path, 'payload');
    const pod = await startPod(async (io) => {
      for await (const _ of io.stdin);
      await new Promise((resolve) => setTimeout(resolve, 30_000));
    });
    const report = await collect(pod, { stdin: { path, size: 7 } });
    expect(report.stdin).toBe('failed');
    await scene.deletePod(pod);
  });

  it('sends the payload again when a connection was accepted that never led to the container', async () => {
    scene.cluster.faults.add('attach', { unreachable: true }, { times: 2 });
    scene.cluster.faults.add('attach', { hangUp: true }, { times: 1 });
    const path = join(directory, 'stdin');
    writeFileSync(path, 'payload');
    const pod = await startPod(async (io) => {
      for await (const chunk of io.stdin) await io.stdout(chunk as Buffer);
    });
    const report = await collect(pod, { stdin: { path, size: 7 } });
    expect(report).toMatchObject({ stdin: 'sent', gaps: [] });
    expect(stdout().toString()).toBe('payload');
  });

  it('ends at once when it is stopped while it opens its files', async () => {
    const pod = await startPod(inPieces(Buffer.from('out\n'), 10, 0));
    for (let turns = 0; turns < 20; turns++) {
      const control = new AbortController();
      const report = collect(pod, { signal: control.signal });
      for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
      control.abort(new Error('stopped'));
      await report.catch((error: Error) => expect(error.message).toBe('stopped'));
    }
  });

  it('goes on where an earlier process stopped, at any moment', async () => {
    const text = variedText(300_000);
    const pod = await startPod(inPieces(text, 6_000, 20));
    let report: OutputReport | undefined;
    for (let round = 0; !report; round++) {
      const control = new AbortController();
      const timer = setTimeout(() => control.abort(new Error('killed')), 40 + 90 * round);
      report = await collect(pod, { signal: control.signal }).catch(() => undefined);
      clearTimeout(timer);
    }
    expect(digest(stdout())).toBe(digest(text));
    expect(report.gaps).toEqual([]);
  });

  it('keeps its files to itself', async () => {
    await collect(await startPod(inPieces(Buffer.from('a\n'), 10, 0)));
    expect(readdirSync(directory).sort()).toEqual(['kube-cursor.json', 'stdout']);
    for (const file of readdirSync(directory))
      expect(statSync(join(directory, file)).mode & 0o777).toBe(0o600);
  });
});
