import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { ReceptorClient, WorkState } from '@receptor/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Client } from './control/client.js';

let directory: string;
let socket: string;
let child: ReturnType<typeof spawn> | undefined;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'receptor-'));
  socket = join(directory, 'foo.sock');
});
afterEach(async () => {
  if (child?.exitCode === null && child.signalCode === null) {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  rmSync(directory, { recursive: true, force: true });
});

/** Runs an example as its first lines say. */
async function run(example: string): Promise<void> {
  const program = new URL(`../../../examples/embedding/${example}`, import.meta.url).pathname;
  const args = ['--node', 'id=foo', `datadir=${directory}/data`, '--control-service', `filename=${socket}`];
  child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  const { stdout } = child;
  await new Promise<void>((resolve, reject) => {
    let log = '';
    stdout?.on('data', (chunk) => {
      log += chunk;
      if (log.includes('Initialization complete')) resolve();
    });
    stdout?.once('end', () => reject(new Error(`it ended: ${log}`)));
  });
}

/** Ends it as an operator would. */
async function end(): Promise<number | null> {
  if (!child) return null;
  child.kill('SIGTERM');
  if (child.exitCode === null) await once(child, 'exit');
  return child.exitCode;
}

describe('the examples of embedding a node', () => {
  it('control-command.js answers a command of its own, in both forms, beside Receptor’s', async () => {
    await run('control-command.js');
    const client = await Client.greeted(socket);
    expect(JSON.parse(await client.ask('uptime'))).toEqual({ Uptime: expect.any(Number), Unit: 's' });
    expect(JSON.parse(await client.ask('UPTIME ms'))).toEqual({ Uptime: expect.any(Number), Unit: 'ms' });
    expect(JSON.parse(await client.ask('{"command":"uptime","unit":"ms"}')).Unit).toBe('ms');
    expect(await client.ask('uptime years')).toBe('ERROR: uptime is told in s or ms\n');
    expect(await client.ask('ping foo')).toContain('"Success":true');
    client.vanish();
    expect(await end()).toBe(0);
  });

  it('work-type.js does units of its own type, and picks them up after a restart', async () => {
    await run('work-type.js');
    const payload = Buffer.alloc(5_000_000, 'payload');
    const sum = createHash('sha256').update(payload).digest('hex');
    using client = new ReceptorClient(socket);
    const { unitid } = await client.submitWork({ workType: 'sha256', payload });
    expect(await text(client.results(unitid))).toBe(`${sum}\n`);
    expect(await client.workStatus(unitid)).toMatchObject({
      State: WorkState.Succeeded,
      Detail: 'Finished',
      StdoutSize: 65,
    });
    const { Advertisements } = await client.status();
    expect(Advertisements?.[0]?.WorkCommands).toEqual([{ WorkType: 'sha256', Secure: false }]);
    await expect(client.submitWork({ workType: 'sha256', parameters: { x: 'y' } })).rejects.toMatchObject({
      code: 'RECEPTOR_PARAMETER_NOT_ALLOWED',
      message: 'x provided but not allowed',
    });
    expect(await end()).toBe(0);
    await run('work-type.js');
    using again = new ReceptorClient(socket);
    expect(await text(again.results(unitid))).toBe(`${sum}\n`);
    await again.releaseWork(unitid);
    expect(await end()).toBe(0);
  });
});
