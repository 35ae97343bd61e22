import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ReceptorClient } from '../src/index.js';
import { runReadmeExample } from './readme-example.js';

const go = process.env.RECEPTOR_GO;

describe.skipIf(go === undefined)('with the Go daemon (named by RECEPTOR_GO)', () => {
  let directory: string;
  let daemon: ChildProcess;
  let client: ReceptorClient;
  let socket: string;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'receptor-go-'));
    socket = join(directory, 's');
    const config = [
      `- node: {id: foo, datadir: ${directory}/data}`,
      '- local-only: {}',
      `- control-service: {service: control, filename: ${socket}}`,
      '- work-command: {worktype: cat, command: cat}',
      '- work-command: {worktype: endless, command: sh, params: "-c \'echo begun; exec sleep 60\'"}',
    ];
    await mkdir(join(directory, 'data'));
    await writeFile(join(directory, 'c.yml'), `---\n${config.join('\n')}\n`);
    daemon = spawn(go ?? '', ['-c', join(directory, 'c.yml')], { stdio: ['ignore', 'pipe', 'ignore'] });
    await new Promise<void>((resolve, reject) => {
      let log = '';
      daemon.stdout?.on('data', (text) => {
        log += text;
        if (log.includes('Initialization complete')) resolve();
      });
      daemon.once('exit', () => reject(new Error(`the daemon did not start: ${log}`)));
    });
    client = new ReceptorClient(socket);
  });
  afterAll(async () => {
    client?.close();
    daemon?.kill('SIGKILL');
    if (daemon && daemon.exitCode === null && daemon.signalCode === null) await once(daemon, 'exit');
    await rm(directory, { recursive: true, force: true });
  });

  it('runs the example of the README', async () => {
    expect(await runReadmeExample(directory, socket)).toEqual({
      stdout: 'Hello from the mesh\n',
      stderr: '',
    });
  });

  it('brings back every byte of a large payload', async () => {
    const payload = Buffer.from(Array.from({ length: 5_000_000 }, (_, i) => (i * 31 + (i >> 8)) % 256));
    const { unitid } = await client.submitWork({ workType: 'cat', payload });
    const results = client.results(unitid, { startPos: 3 });
    expect(Buffer.concat(await results.toArray()).equals(payload.subarray(3))).toBe(true);
    expect(results.unit).toMatchObject({ StateName: 'Succeeded', StdoutSize: payload.length });
    expect(await client.releaseWork(unitid)).toEqual({ released: unitid });
    await expect(client.workStatus(unitid)).rejects.toMatchObject({ code: 'RECEPTOR_UNKNOWN_UNIT' });
  });

  it('ends the results of a cancelled unit', async () => {
    const { unitid } = await client.submitWork({ workType: 'endless' });
    const pieces: Buffer[] = [];
    for await (const piece of client.results(unitid, { quietMs: 100 })) {
      pieces.push(piece);
      if (pieces.length === 1) expect(await client.cancelWork(unitid)).toEqual({ cancelled: unitid });
    }
    expect(Buffer.concat(pieces).toString()).toBe('begun\n');
  });

  it('speaks with another control service through a connection', async () => {
    const through = new ReceptorClient(() => client.connectService('localhost', 'control'));
    expect(await through.connect()).toBe('foo');
    expect(await through.ping('localhost')).toMatchObject({ Success: true, From: 'foo' });
    through.close();
  });

  it('has the errors of the daemon as codes', async () => {
    await expect(client.submitWork({ workType: 'nosuch' })).rejects.toMatchObject({
      code: 'RECEPTOR_UNKNOWN_WORK_TYPE',
    });
    await expect(client.submitWork({ workType: 'cat', parameters: { params: 'x' } })).rejects.toMatchObject({
      code: 'RECEPTOR_PARAMETER_NOT_ALLOWED',
    });
    await expect(client.connectService('nosuch', 'control')).rejects.toMatchObject({
      code: 'RECEPTOR_REMOTE',
    });
  });
});
