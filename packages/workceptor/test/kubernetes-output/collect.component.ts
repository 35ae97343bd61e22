import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Script, type Simulator, startSimulator } from '@receptor/kubernetes-simulator';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../../src/logger.js';
import { currentAccess, parseKubeconfig } from '../../src/workers/kubernetes/access/kubeconfig.js';
import { createClient, type KubernetesClient } from '../../src/workers/kubernetes/client.js';
import {
  collectOutput,
  type OutputOptions,
  type OutputReport,
} from '../../src/workers/kubernetes/output/index.js';

let cluster: Simulator;
let api: KubernetesClient;
let directory: string;
let script: Script | undefined;
let pods = 0;

beforeAll(async () => {
  cluster = await startSimulator({ script: () => script, pace: { imagePullMs: 0 } });
  api = createClient(currentAccess(parseKubeconfig(cluster.kubeconfig())));
});
afterAll(async () => {
  api.close();
  await cluster.close();
});
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'collect-'));
});
afterEach(() => {
  cluster.faults.clear();
  rmSync(directory, { recursive: true, force: true });
});

interface PodStatus {
  metadata: { uid: string };
  status?: { containerStatuses?: { state?: { running?: object; terminated?: object } }[] };
}

const PODS = '/api/v1/namespaces/default/pods';
const stateOf = async (name: string) =>
  (await api.json<PodStatus>({ path: `${PODS}/${name}` })).status?.containerStatuses?.[0]?.state ?? {};

async function until(check: () => Promise<boolean>): Promise<void> {
  while (!(await check().catch(() => false))) await new Promise((resolve) => setTimeout(resolve, 20));
}

/** A pod whose worker runs the script; resolves when it runs or has run. */
async function startPod(run: Script): Promise<{ name: string; uid: string; ended: Promise<void> }> {
  const name = `pod-${pods++}`;
  script = run;
  const worker = { name: 'worker', image: 'any', stdin: true, stdinOnce: true, command: ['true'] };
  const body = { metadata: { name }, spec: { restartPolicy: 'Never', containers: [worker] } };
  const { metadata } = await api.json<PodStatus>({ method: 'POST', path: PODS, body });
  await until(async () => Object.keys(await stateOf(name)).some((state) => state !== 'waiting'));
  return { name, uid: metadata.uid, ended: until(async () => 'terminated' in (await stateOf(name))) };
}

const stdoutPath = () => join(directory, 'stdout');
const stdout = () => readFileSync(stdoutPath());
const digest = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

function collect(
  pod: { name: string; uid: string; ended: Promise<void> },
  more: Partial<OutputOptions> = {},
): Promise<OutputReport> {
  return collectOutput({
    api,
    pod: { namespace: 'default', name: pod.name, uid: pod.uid },
    container: 'worker',
    stdin: undefined,
    directory,
    stdoutPath: stdoutPath(),
    ended: pod.ended,
    signal: new AbortController().signal,
    log: silentLogger,
    ...more,
  });
}

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

/** Writes the bytes in pieces, with a rest between. */
const inPieces =
  (bytes: Buffer, piece: number, restMs: number): Script =>
  async (io) => {
    for (let at = 0; at < bytes.length; at += piece) {
      await io.stdout(bytes.subarray(at, at + piece));
      if (restMs > 0) await new Promise((resolve) => setTimeout(resolve, restMs));
    }
    return { exitCode: 0 };
  };

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
    expect(cluster.requests.some((one) => one.operation === 'attach' && one.name === pod.name)).toBe(false);
  });

  it('loses nothing when the log is cut again and again', async () => {
    const text = variedText(60_000);
    // Each stream begins up to two seconds before the place of interest, so that it has to live a little longer.
    let cut = 0;
    cluster.faults.add('log', () => {
      cut += 10_007;
      return { cutAfter: 1 + cut, pieceBytes: 701 };
    });
    cluster.faults.add('attach', { hangUp: true });
    const pod = await startPod(inPieces(text, 6_000, 20));
    const report = await collect(pod);
    expect(digest(stdout())).toBe(digest(text));
    expect(report.gaps).toEqual([]);
  });

  it('loses nothing when attach and log are both cut at random', async () => {
    const text = variedText(400_000);
    const random = (most: number) => 1 + Math.floor(Math.random() * most);
    cluster.faults.add('log', () => ({ cutAfter: random(1_500_000) }));
    cluster.faults.add('attach', () => ({ cutAfter: random(60_000), beginAfterMs: random(50) }));
    const report = await collect(await startPod(inPieces(text, 20_000, 40)));
    expect(digest(stdout())).toBe(digest(text));
    expect(report.gaps).toEqual([]);
  });

  it('takes the end from the log when attach ends short', async () => {
    const text = variedText(200_000);
    cluster.faults.add('attach', { shortAfter: 60_000 });
    const report = await collect(await startPod(inPieces(text, 20_000, 40)));
    expect(digest(stdout())).toBe(digest(text));
    expect(report.gaps).toEqual([]);
  });

  it('works from the log alone when attach is refused, and says so', async () => {
    const allow = cluster.forbid({ resource: 'pods/attach' });
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
    cluster.faults.add('attach', { cutAfterStdin: 100_000 });
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
    await api.json({ method: 'DELETE', path: `${PODS}/${pod.name}` });
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

  it('does not take the end of a container that the broken connection caused for its own', async () => {
    cluster.faults.add('attach', { cutAfterStdin: 100_000 });
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
    cluster.faults.add('attach', { cutAfterStdin: 0 });
    const path = join(directory, 'stdin');
    writeFileSync(path, 'payload');
    const pod = await startPod(async (io) => {
      for await (const _ of io.stdin);
      await new Promise((resolve) => setTimeout(resolve, 30_000));
    });
    const report = await collect(pod, { stdin: { path, size: 7 } });
    expect(report.stdin).toBe('failed');
    await api.json({ method: 'DELETE', path: `${PODS}/${pod.name}` });
  });

  it('sends the payload again when a connection was accepted that never led to the container', async () => {
    cluster.faults.add('attach', { unreachable: true }, { times: 2 });
    cluster.faults.add('attach', { hangUp: true }, { times: 1 });
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
