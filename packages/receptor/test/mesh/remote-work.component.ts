import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isComplete, ReceptorClient, type UnitReport } from '@receptor/protocol';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { freePort } from '../../../../test/free-port.js';
import { type RunningDaemon, runDaemon } from '../control/running-daemon.js';

const WORK = `
- work-command: {worktype: cat, command: cat}
- work-command: {worktype: sh, command: sh}
`;

interface Node extends RunningDaemon {
  readonly client: ReceptorClient;
}

const ending: (() => Promise<unknown>)[] = [];
let port: number;
let alpha: Node;

async function start(id: string, sections: string, directory?: string): Promise<Node> {
  const node = await runDaemon(`- control-service: {filename: DIR/foo.sock}\n${sections}\n`, directory, id);
  const client = new ReceptorClient(node.socket);
  ending.push(async () => {
    client.close();
    await node.end();
  });
  return { ...node, client };
}

const startBeta = (directory?: string) =>
  start('beta', `- tcp-peer: {address: "localhost:${port}"}${WORK}`, directory);

const completed = ({ client }: Pick<Node, 'client'>, unitId: string): Promise<UnitReport> =>
  vi.waitFor(
    async () => {
      const unit = await client.workStatus(unitId);
      if (!isComplete(unit.State)) throw new Error(`still ${unit.StateName}: ${unit.Detail}`);
      return unit;
    },
    { timeout: 30_000, interval: 5 },
  );

const reached = (node: Node, unitId: string, stateName: string): Promise<unknown> =>
  vi.waitFor(async () => expect((await node.client.workStatus(unitId)).StateName).toBe(stateName), {
    timeout: 30_000,
    interval: 5,
  });

const reaches = ({ client }: Node, id: string) =>
  vi.waitFor(async () => expect((await client.status()).RoutingTable).toHaveProperty(id), {
    timeout: 20_000,
    interval: 10,
  });

async function outputOf({ client }: Node, unitId: string): Promise<string> {
  let text = '';
  for await (const chunk of client.results(unitId)) text += chunk;
  return text;
}

beforeEach(async () => {
  port = await freePort();
  alpha = await start('alpha', `- tcp-listener: {port: ${port}, bindaddr: 127.0.0.1}`);
});
afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end();
});

describe('work for another node', () => {
  it('runs there, and its status and output are here when it ends', async () => {
    const beta = await startBeta();
    await reaches(alpha, 'beta');
    const payload = randomBytes(3 * 1024 * 1024);
    const { result, unitid } = await alpha.client.submitWork({ node: 'beta', workType: 'cat', payload });
    expect(result).toBe('Job Started');
    const hash = createHash('sha256');
    for await (const chunk of alpha.client.results(unitid)) hash.update(chunk);
    expect(hash.digest('hex')).toBe(createHash('sha256').update(payload).digest('hex'));
    expect(await completed(alpha, unitid)).toEqual({
      Detail: 'exit status 0',
      ExtraData: {
        RemoteNode: 'beta',
        RemoteWorkType: 'cat',
        RemoteParams: {},
        RemoteUnitID: expect.stringMatching(/^\w{8}$/),
        RemoteStarted: true,
        LocalCancelled: false,
        LocalReleased: false,
        SignWork: false,
        TLSClient: '',
        Expiration: '0001-01-01T00:00:00Z',
      },
      State: 2,
      StateName: 'Succeeded',
      StdoutSize: payload.length,
      WorkType: 'remote',
    });
    expect(await alpha.client.releaseWork(unitid)).toEqual({ released: unitid });
    expect(await alpha.client.workList()).toEqual({});
    expect(await beta.client.workList()).toEqual({});
  });

  it('shows its output here while it runs there', async () => {
    await startBeta();
    await reaches(alpha, 'beta');
    const gate = join(alpha.directory, 'gate');
    const payload = `echo first; while ! test -e ${gate}; do sleep 0.05; done; echo second`;
    const { unitid } = await alpha.client.submitWork({ node: 'beta', workType: 'sh', payload });
    const output = alpha.client.results(unitid)[Symbol.asyncIterator]();
    expect(String((await output.next()).value)).toBe('first\n');
    await reached(alpha, unitid, 'Running');
    writeFileSync(gate, '');
    expect(String((await output.next()).value)).toBe('second\n');
    expect((await output.next()).done).toBe(true);
  });

  it('ends there when it is cancelled here', async () => {
    const beta = await startBeta();
    await reaches(alpha, 'beta');
    const { unitid } = await alpha.client.submitWork({ node: 'beta', workType: 'sh', payload: 'sleep 100' });
    await reached(alpha, unitid, 'Running');
    expect(await alpha.client.cancelWork(unitid)).toEqual({ cancelled: unitid });
    const unit = await alpha.client.workStatus(unitid);
    expect([unit.StateName, unit.Detail]).toEqual(['Canceled', 'Canceled']);
    const { RemoteUnitID } = unit.ExtraData as { RemoteUnitID: string };
    expect((await beta.client.workStatus(RemoteUnitID)).StateName).toBe('Canceled');
    expect(await outputOf(alpha, unitid)).toBe('');
  });

  it('fails with what the other node says against it', async () => {
    await startBeta();
    await reaches(alpha, 'beta');
    let unitId = '';
    const submitting = alpha.client.submitWork({
      node: 'beta',
      workType: 'nosuch',
      onUnit: (id) => {
        unitId = id;
      },
    });
    await expect(submitting).rejects.toMatchObject({
      code: 'RECEPTOR_UNKNOWN_WORK_TYPE',
      message: 'could not parse response: ERROR: unknown work type nosuch',
    });
    expect(await alpha.client.workStatus(unitId)).toMatchObject({
      StateName: 'Failed',
      Detail: 'Error starting worker: could not parse response: ERROR: unknown work type nosuch',
    });
    expect(await alpha.client.releaseWork(unitId)).toEqual({ released: unitId });
  });
});

describe('a node that is not there yet', () => {
  it('is given the work when it comes', async () => {
    const { result, unitid } = await alpha.client.submitWork({
      node: 'beta',
      workType: 'cat',
      payload: 'late',
    });
    expect(result).toBe('Job Submitted');
    expect(await alpha.client.workStatus(unitid)).toMatchObject({
      StateName: 'Pending',
      Detail: expect.stringMatching(/^Waiting for node beta: .*no route to node$/),
    });
    await startBeta();
    expect((await completed(alpha, unitid)).StateName).toBe('Succeeded');
    expect(await outputOf(alpha, unitid)).toBe('late');
  });

  it('makes work fail that it refuses when it comes', async () => {
    const { unitid } = await alpha.client.submitWork({ node: 'beta', workType: 'nosuch' });
    await startBeta();
    expect(await completed(alpha, unitid)).toMatchObject({
      StateName: 'Failed',
      Detail: 'Error starting worker: could not parse response: ERROR: unknown work type nosuch',
    });
  });

  it('is not waited for when the time to live is over', async () => {
    const { unitid } = await alpha.client.submitWork({ node: 'beta', workType: 'cat', ttl: '300ms' });
    const unit = await completed(alpha, unitid);
    expect(unit.StateName).toBe('Failed');
    expect(unit.Detail).toMatch(/^Work unit expired on \w{3} \w{3} \d{1,2} \d\d:\d\d:\d\d$/);
  });

  it('leaves nothing to be done for work that is cancelled or released before', async () => {
    const { unitid } = await alpha.client.submitWork({ node: 'beta', workType: 'cat' });
    expect(await alpha.client.cancelWork(unitid)).toEqual({ cancelled: unitid });
    expect(await alpha.client.workStatus(unitid)).toMatchObject({
      StateName: 'Canceled',
      Detail: 'Locally Cancelled',
    });
    expect(await alpha.client.releaseWork(unitid)).toEqual({ released: unitid });
    const second = await alpha.client.submitWork({ node: 'beta', workType: 'cat' });
    expect(await alpha.client.releaseWork(second.unitid)).toEqual({ released: second.unitid });
    expect(await alpha.client.workList()).toEqual({});
    expect(existsSync(join(alpha.directory, 'data/alpha/.leftovers'))).toBe(false);
    const beta = await startBeta();
    await reaches(alpha, 'beta');
    expect(await beta.client.workList()).toEqual({});
  });
});

describe('a node that goes away', () => {
  it('is told of a cancel and a release when it is back', async () => {
    const beta = await startBeta();
    await reaches(alpha, 'beta');
    const submit = () => alpha.client.submitWork({ node: 'beta', workType: 'sh', payload: 'sleep 100' });
    const [one, two] = [(await submit()).unitid, (await submit()).unitid];
    await reached(alpha, one, 'Running');
    await reached(alpha, two, 'Running');
    await beta.daemon.close();
    await vi.waitFor(async () => expect((await alpha.client.status()).RoutingTable).toEqual({}));
    expect(await alpha.client.cancelWork(one)).toEqual({ 'cancel pending': one });
    expect(await alpha.client.workStatus(one)).toMatchObject({
      StateName: 'Running',
      ExtraData: { LocalCancelled: true },
    });
    expect(await alpha.client.releaseWork(two)).toEqual({ 'release pending': two });
    await expect(alpha.client.workStatus(two)).rejects.toThrow(`unknown work unit ${two}`);
    await expect(alpha.client.releaseWork(two)).rejects.toThrow(`unknown work unit ${two}`);
    const back = await startBeta(beta.directory);
    expect((await completed(alpha, one)).StateName).toBe('Canceled');
    await vi.waitFor(async () => expect(Object.keys(await back.client.workList())).toHaveLength(1), {
      timeout: 10_000,
    });
  });

  it('is followed again where its output was left, and so it is after a restart here', async () => {
    const beta = await startBeta();
    await reaches(alpha, 'beta');
    const gate = join(alpha.directory, 'gate');
    const payload = `echo 1; while ! test -e ${gate}1; do sleep 0.05; done; echo 2; while ! test -e ${gate}2; do sleep 0.05; done; echo 3`;
    const { unitid } = await alpha.client.submitWork({ node: 'beta', workType: 'sh', payload });
    const stdout = join(alpha.directory, 'data/alpha', unitid, 'stdout');
    const shows = (text: string) =>
      vi.waitFor(() => expect(readFileSync(stdout, 'utf8')).toBe(text), { timeout: 30_000, interval: 10 });
    await shows('1\n');
    await beta.daemon.close();
    writeFileSync(`${gate}1`, '');
    await startBeta(beta.directory);
    await shows('1\n2\n');
    await alpha.daemon.close();
    writeFileSync(`${gate}2`, '');
    const again = await start(
      'alpha',
      `- tcp-listener: {port: ${port}, bindaddr: 127.0.0.1}`,
      alpha.directory,
    );
    expect(await completed(again, unitid)).toMatchObject({ Detail: 'exit status 0', StdoutSize: 6 });
    expect(readFileSync(stdout, 'utf8')).toBe('1\n2\n3\n');
  });
});
