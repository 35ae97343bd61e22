import { spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { type DaemonProcess, receptor, startDaemon, temporaryDirectory } from '@receptor/e2e';
import { type Simulator, startSimulator } from '@receptor/kubernetes-simulator';
import { isComplete, ReceptorClient, type UnitReport } from '@receptor/protocol';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { freePort } from '../../../test/free-port.js';

/** A disk of this size is what the daemon has, in a mount namespace of its own. */
const DISK = 4 * 2 ** 20;
const ROOM = 6 * 2 ** 20;
const MOUNT = `mount -t tmpfs -o size=${DISK} none "$1" && shift && exec "$@"`;
const namespace = ['-rm', 'sh', '-c'];
const possible =
  spawnSync('unshare', [...namespace, MOUNT, 'sh', '/mnt', 'true'], { stdio: 'ignore' }).status === 0;

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let daemon: DaemonProcess;
let client: ReceptorClient;
let ends: (() => unknown)[];

const SECTIONS = [
  { 'work-command': { worktype: 'cat', command: 'cat' } },
  { 'work-command': { worktype: 'sh', command: 'sh', allowruntimeparams: true } },
  {
    'work-kubernetes': {
      worktype: 'pod',
      authmethod: 'runtime',
      namespace: 'default',
      image: 'busybox',
      command: 'sh',
      allowruntimeauth: true,
      allowruntimecommand: true,
      allowruntimeparams: true,
    },
  },
];

/** A daemon whose data are on a small disk; it sees the rest of the machine as everybody does. */
async function start(sections: readonly unknown[] = []): Promise<void> {
  const data = join(directory.path, 'data');
  await mkdir(data, { recursive: true });
  daemon = await startDaemon({
    directory: directory.path,
    sections: [...SECTIONS, ...sections],
    program: {
      command: 'unshare',
      prefix: [...namespace, MOUNT, 'sh', data, receptor.command, ...receptor.prefix],
    },
  });
  client = new ReceptorClient(daemon.socket);
}

beforeEach(async () => {
  directory = await temporaryDirectory();
  ends = [];
});
afterEach(async () => {
  client.close();
  await daemon.stop();
  for (const end of ends.reverse()) await end();
  await directory.remove();
});

const path = (...names: string[]) => `/proc/${daemon.pid}/root${join(daemon.unitsDirectory, ...names)}`;
const onDisk = (id: string) => JSON.parse(readFileSync(path(id, 'status'), 'utf8')) as UnitReport;
const completed = (id: string) =>
  vi.waitFor(
    async () => {
      const report = await client.workStatus(id);
      expect(isComplete(report.State)).toBe(true);
      return report;
    },
    { timeout: 30_000, interval: 20 },
  );
async function resultsOf(id: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of client.results(id)) hash.update(piece);
  return hash.digest('hex');
}

/** Submits a payload as a client does that only writes: it is gone while the payload is refused. */
async function submitAndGo(payload: Buffer): Promise<void> {
  const socket = connect(daemon.socket);
  socket.on('error', () => {});
  await once(socket, 'data');
  socket.write('{"command":"work","subcommand":"submit","node":"localhost","worktype":"cat"}\n');
  await once(socket, 'data');
  const gone = new Promise((resolve) => socket.once('close', resolve));
  socket.end(payload);
  await gone;
}

/** What the daemon can do when there is room again. */
async function works(): Promise<void> {
  const payload = randomBytes(100_000);
  const { unitid } = await client.submitWork({ workType: 'cat', payload });
  expect(await completed(unitid)).toMatchObject({ StateName: 'Succeeded', StdoutSize: payload.length });
  expect(await resultsOf(unitid)).toBe(createHash('sha256').update(payload).digest('hex'));
  await client.releaseWork(unitid);
}

/** Takes all the room there is, until the file is removed. */
async function fill(): Promise<string> {
  const file = join(daemon.unitsDirectory, '..', 'filler');
  const script = `head -c ${2 * DISK} /dev/zero > ${file}; true`;
  const { unitid } = await client.submitWork({ workType: 'sh', parameters: { params: `-c '${script}'` } });
  await completed(unitid);
  return file;
}
/** Removes it, from within the namespace. */
const clear = (file: string) =>
  expect(spawnSync('nsenter', ['-t', String(daemon.pid), '-U', '-m', 'rm', file]).status).toBe(0);

describe.skipIf(!possible)('a daemon on a disk that is full', () => {
  test('fails the submit of a payload that has no room, keeps no part of it, and goes on', async () => {
    await start();
    const NO_ROOM = 'Error reading input data: write: no space left on device';
    // Our client may take back the unit whose payload was refused; another leaves it.
    await expect(client.submitWork({ workType: 'cat', payload: randomBytes(ROOM) })).rejects.toThrow(NO_ROOM);
    for (const each of Object.keys(await client.workList())) await client.releaseWork(each);
    await submitAndGo(randomBytes(ROOM));
    const [id = ''] = Object.keys(await client.workList());
    expect(await completed(id)).toMatchObject({ StateName: 'Failed', Detail: NO_ROOM, StdoutSize: 0 });
    await vi.waitFor(() => expect(onDisk(id)).toMatchObject({ State: 3 }), { timeout: 10_000 });
    await works();
    await client.releaseWork(id);
  });

  test('knows how a command ended that had no room for its output, and what it wrote before that', async () => {
    await start();
    const script = 'trap "exit 5" PIPE; yes | head -c 6000000 || exit 4';
    const { unitid } = await client.submitWork({ workType: 'sh', parameters: { params: `-c '${script}'` } });
    const report = await completed(unitid);
    expect(report).toMatchObject({ StateName: 'Failed', Detail: expect.stringContaining('exit status 4') });
    expect(report.StdoutSize).toBeGreaterThan(0);
    const pieces: Buffer[] = [];
    for await (const piece of client.results(unitid)) pieces.push(Buffer.from(piece));
    const output = Buffer.concat(pieces);
    expect(output.length).toBe(report.StdoutSize);
    expect(
      output.equals(Buffer.from('y\n'.repeat(Math.ceil(output.length / 2))).subarray(0, output.length)),
    ).toBe(true);
    await client.releaseWork(unitid);
    await works();
  });

  test('refuses a submit when not even its status has room, and brings statuses to disk when it has', async () => {
    await start();
    const sleeping = await client.submitWork({
      workType: 'sh',
      parameters: { params: `-c 'until [ -e ${directory.path}/go ]; do sleep 0.05; done'` },
    });
    const file = await fill();
    await expect(client.submitWork({ workType: 'cat', payload: 'x' })).rejects.toThrow(
      /no space left on device/,
    );
    await mkdir(join(directory.path, 'go'));
    expect(await completed(sleeping.unitid)).toMatchObject({ StateName: 'Succeeded' });
    clear(file);
    await vi.waitFor(() => expect(onDisk(sleeping.unitid)).toMatchObject({ State: 2 }), { timeout: 10_000 });
    await works();
  });

  test('waits for room with the output of a unit on another node, says so, and has all of it then', async () => {
    const port = await freePort();
    const other = await temporaryDirectory();
    const beta = await startDaemon({
      directory: other.path,
      nodeId: 'bar',
      sections: [{ 'tcp-listener': { port, bindaddr: '127.0.0.1' } }, ...SECTIONS],
    });
    ends.push(
      () => other.remove(),
      () => beta.stop(),
    );
    await start([{ 'tcp-peer': { address: `127.0.0.1:${port}` } }]);
    await vi.waitFor(async () => expect((await client.status()).RoutingTable).toHaveProperty('bar'), {
      timeout: 20_000,
    });
    const file = await fill();
    clear(file);
    const { unitid: taking } = await client.submitWork({
      workType: 'sh',
      parameters: { params: `-c 'head -c ${DISK - 1_500_000} /dev/zero > ${file}'` },
    });
    await completed(taking);
    const script = 'seq 1 400000';
    const { unitid } = await client.submitWork({
      node: 'bar',
      workType: 'sh',
      parameters: { params: `-c '${script}'` },
    });
    await vi.waitFor(
      async () => expect((await client.workStatus(unitid)).Detail).toMatch(/no space left on device/),
      { timeout: 20_000 },
    );
    expect(isComplete((await client.workStatus(unitid)).State)).toBe(false);
    clear(file);
    const expected = spawnSync('seq', ['1', '400000'], { maxBuffer: ROOM }).stdout;
    expect(await completed(unitid)).toMatchObject({ StateName: 'Succeeded', StdoutSize: expected.length });
    expect(await resultsOf(unitid)).toBe(createHash('sha256').update(expected).digest('hex'));
    await client.releaseWork(unitid);
    await works();
  });

  test('fails a unit whose pod has more to say than there is room for, and says why', async () => {
    const cluster: Simulator = await startSimulator();
    ends.push(() => cluster.close());
    await start();
    const { unitid } = await client.submitWork({
      workType: 'pod',
      parameters: {
        secret_kube_config: cluster.kubeconfig(),
        kube_params: "-c 'yes | head -c 6000000'",
      },
    });
    const report = await completed(unitid);
    expect(report).toMatchObject({
      StateName: 'Failed',
      Detail: expect.stringMatching(/no space left on device/),
    });
    const pieces: Buffer[] = [];
    for await (const piece of client.results(unitid)) pieces.push(Buffer.from(piece));
    const output = Buffer.concat(pieces);
    expect(output.length).toBe(report.StdoutSize);
    expect(
      output.equals(Buffer.from('y\n'.repeat(Math.ceil(output.length / 2))).subarray(0, output.length)),
    ).toBe(true);
    await client.releaseWork(unitid);
    await works();
  });
});
