import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type DaemonProcess,
  goReceptor,
  type Program,
  receptor,
  startDaemon,
  temporaryDirectory,
} from '@receptor/e2e';
import { isComplete, ReceptorClient, type UnitReport } from '@receptor/protocol';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { freePort } from '../../../test/free-port.js';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

interface Node {
  readonly id: string;
  readonly directory: string;
  daemon: DaemonProcess;
  client: ReceptorClient;
  /** Starts it, or starts it again as a daemon of another program. */
  start(program?: Program): Promise<void>;
}

/** Starts a line of nodes, each of which dials the one before it, and waits until the ends know each other. */
async function startLine(programs: readonly Program[]): Promise<Node[]> {
  const directory = await temporaryDirectory();
  cleanups.push(() => directory.remove());
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const [signing, verifying] = [join(directory.path, 'private.pem'), join(directory.path, 'public.pem')];
  await writeFile(signing, privateKey.export({ format: 'pem', type: 'pkcs1' }));
  await writeFile(verifying, publicKey.export({ format: 'pem', type: 'spki' }));
  const ports = await Promise.all(programs.map(freePort));
  const nodes: Node[] = [];
  for (const [number, program] of programs.entries()) {
    const id = `node${number}`;
    const place = join(directory.path, id);
    await mkdir(place);
    const peer = { address: `127.0.0.1:${ports[number - 1]}` };
    const allSections = [
      { node: { id, datadir: join(place, 'data') } },
      { 'log-level': { level: 'info' } },
      { 'control-service': { service: 'control', filename: join(place, 'ctl.sock') } },
      { 'tcp-listener': { bindaddr: '127.0.0.1', port: ports[number] } },
      ...(number === 0 ? [] : [{ 'tcp-peer': peer }]),
      { 'work-signing': { privatekey: signing, tokenexpiration: '1m' } },
      { 'work-verification': { publickey: verifying } },
      { 'work-command': { worktype: 'cat', command: 'cat' } },
      { 'work-command': { worktype: 'sh', command: 'sh' } },
      { 'work-command': { worktype: 'signed', command: 'sh', verifysignature: true } },
    ];
    const node = { id, directory: place } as Node;
    node.start = async (as = program) => {
      node.daemon = await startDaemon({ directory: place, nodeId: id, program: as, allSections });
      node.client = new ReceptorClient(node.daemon.socket);
    };
    await node.start();
    cleanups.push(async () => {
      node.client.close();
      await node.daemon.kill();
    });
    nodes.push(node);
  }
  for (const node of nodes) await reaches(node, nodes.length - 1);
  return nodes;
}

const reaches = ({ client }: Node, count: number) =>
  vi.waitFor(
    async () => expect(Object.keys((await client.status()).RoutingTable ?? {})).toHaveLength(count),
    { timeout: 60_000, interval: 50 },
  );

const completed = ({ client }: Node, unitId: string): Promise<UnitReport> =>
  vi.waitFor(
    async () => {
      const unit = await client.workStatus(unitId);
      if (!isComplete(unit.State)) throw new Error(`still ${unit.StateName}: ${unit.Detail}`);
      return unit;
    },
    { timeout: 100_000, interval: 50 },
  );

const shows = ({ client }: Node, unitId: string, stateName: string) =>
  vi.waitFor(async () => expect((await client.workStatus(unitId)).StateName).toBe(stateName), {
    timeout: 60_000,
    interval: 50,
  });

const remoteId = (unit: UnitReport): string => (unit.ExtraData as { RemoteUnitID: string }).RemoteUnitID;

async function digestOf({ client }: Node, unitId: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of client.results(unitId)) hash.update(chunk);
  return hash.digest('hex');
}

const sha256 = (data: Buffer) => createHash('sha256').update(data).digest('hex');

const OURS = receptor;
const GO = goReceptor as Program;
const LINES: [string, Program[]][] = [
  ['ours to ours, 1 hop', [OURS, OURS]],
  ['ours to Go, 1 hop', [OURS, GO]],
  ['Go to ours, 1 hop', [GO, OURS]],
  ['ours to ours over Go and ours, 3 hops', [OURS, GO, OURS, OURS]],
  ['ours to Go over ours, 3 hops', [OURS, OURS, OURS, GO]],
  ['Go to ours over ours and Go, 3 hops', [GO, OURS, GO, OURS]],
];

describe.each(LINES)('remote work, %s', { timeout: 240_000 }, (_, programs) => {
  test.skipIf(programs.includes(undefined as unknown as Program))(
    'runs once, and output, state, cancel, release and signatures are the same at both ends',
    async () => {
      const nodes = await startLine(programs);
      const [near, far] = [nodes[0], nodes.at(-1)] as [Node, Node];
      const submit = (workType: string, payload: string | Buffer, signWork = false) =>
        near.client.submitWork({ node: far.id, workType, payload, signWork });

      const payload = randomBytes(2 * 1024 * 1024);
      const copied = (await submit('cat', payload)).unitid;
      expect(await digestOf(near, copied)).toBe(sha256(payload));
      const copy = await completed(near, copied);
      expect(copy).toMatchObject({
        StateName: 'Succeeded',
        Detail: 'exit status 0',
        StdoutSize: payload.length,
      });
      expect((await far.client.workStatus(remoteId(copy))).StateName).toBe('Succeeded');

      const failed = await completed(near, (await submit('sh', 'echo sorry; exit 7')).unitid);
      expect(failed).toMatchObject({ StateName: 'Failed', Detail: 'exit status 7', StdoutSize: 6 });

      const sleeping = (await submit('sh', 'echo begin; sleep 100')).unitid;
      await shows(near, sleeping, 'Running');
      expect(await near.client.cancelWork(sleeping)).toEqual({ cancelled: sleeping });
      await shows(near, sleeping, 'Canceled');
      await shows(far, remoteId(await near.client.workStatus(sleeping)), 'Canceled');

      const ledger = join(far.directory, 'ledger');
      const signed = (await submit('signed', `echo run >>${ledger}; echo signed`, true)).unitid;
      const ended = await completed(near, signed);
      expect(ended).toMatchObject({ StateName: 'Succeeded', ExtraData: { SignWork: true } });
      expect(await digestOf(near, signed)).toBe(sha256(Buffer.from('signed\n')));
      expect(readFileSync(ledger, 'utf8')).toBe('run\n');
      await expect(submit('signed', 'true')).rejects.toThrow(
        'could not verify signature: signature is empty',
      );
      await expect(submit('cat', '', true)).rejects.toThrow('work type did not expect a signature');

      for (const [id, unit] of Object.entries(await near.client.workList())) {
        if (unit.Detail.startsWith('Error starting worker'))
          await near.client.releaseWork(id, { force: true });
        else expect(await near.client.releaseWork(id)).toEqual({ released: id });
      }
      await vi.waitFor(async () => expect(await near.client.workList()).toEqual({}), { timeout: 20_000 });
      expect(await far.client.workList()).toEqual({});
    },
  );
});

describe.each(LINES.slice(3))(
  'a node in the middle that is killed, %s',
  { timeout: 240_000 },
  (_, programs) => {
    test.skipIf(programs.includes(undefined as unknown as Program))(
      'and comes back: the unit has run once, and its output is whole',
      async () => {
        const nodes = await startLine(programs);
        const [near, middle, far] = [nodes[0], nodes[1], nodes.at(-1)] as [Node, Node, Node];
        const ledger = join(far.directory, 'ledger');
        const gate = join(far.directory, 'gate');
        const { unitid } = await near.client.submitWork({
          node: far.id,
          workType: 'sh',
          payload: `echo run >>${ledger}; echo 1; while ! test -e ${gate}; do sleep 0.1; done; seq 2 100000`,
        });
        const stdout = join(near.daemon.unitsDirectory, unitid, 'stdout');
        await vi.waitFor(() => expect(existsSync(stdout) && readFileSync(stdout, 'utf8')).toBe('1\n'), {
          timeout: 30_000,
        });
        await middle.daemon.kill();
        await writeFile(gate, '');
        await middle.start();
        const unit = await completed(near, unitid);
        expect(unit.Detail).toBe('exit status 0');
        const numbers = Array.from({ length: 100_000 }, (_, i) => `${i + 1}\n`).join('');
        expect(await digestOf(near, unitid)).toBe(sha256(Buffer.from(numbers)));
        expect(readFileSync(ledger, 'utf8')).toBe('run\n');
      },
    );
  },
);

describe('a submitting node that is replaced by one of the other kind', { timeout: 240_000 }, () => {
  test.skipIf(!goReceptor).each([
    ['Go by ours', GO, OURS],
    ['ours by Go', OURS, GO],
  ])('%s: it takes up the units of the one before', async (_, first, second) => {
    const [near, far] = (await startLine([first, OURS])) as [Node, Node];
    const gate = join(far.directory, 'gate');
    const wait = `while ! test -e ${gate}; do sleep 0.1; done`;
    const submit = async (payload: string) =>
      (await near.client.submitWork({ node: far.id, workType: 'sh', payload })).unitid;
    const following = await submit(`echo 1; ${wait}; echo 2`);
    const cancelled = await submit('sleep 100');
    const released = await submit('sleep 100');
    for (const id of [following, cancelled, released]) await shows(near, id, 'Running');
    const ids = await Promise.all(
      [cancelled, released].map(async (id) => remoteId(await near.client.workStatus(id))),
    );
    // Its link is gone, so that what is asked for now is left to the next.
    await far.daemon.kill();
    await vi.waitFor(async () => expect((await near.client.status()).RoutingTable).toEqual({}), {
      timeout: 30_000,
    });
    expect(await near.client.cancelWork(cancelled)).toEqual({ 'cancel pending': cancelled });
    if (first === GO)
      expect(await near.client.releaseWork(released)).toEqual({ 'release pending': released });
    await near.daemon.kill();
    await near.start(second);
    await far.start();
    await writeFile(gate, '');
    expect(await completed(near, following)).toMatchObject({ Detail: 'exit status 0' });
    expect(await digestOf(near, following)).toBe(sha256(Buffer.from('1\n2\n')));
    await shows(far, ids[0] ?? '', 'Canceled');
    if (first === GO)
      await vi.waitFor(async () => expect(await far.client.workList()).not.toHaveProperty(ids[1] ?? ''), {
        timeout: 60_000,
      });
  });
});
