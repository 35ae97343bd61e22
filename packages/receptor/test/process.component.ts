import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Client } from './control/client.js';

const program = new URL('../bin/receptor.js', import.meta.url).pathname;

let directory: string;
let socket: string;
const started: ReturnType<typeof spawn>[] = [];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'receptor-'));
  socket = join(directory, 'foo.sock');
});
afterEach(async () => {
  for (const child of started.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  rmSync(directory, { recursive: true, force: true });
});

/** Starts the program with its standard output and error as given. */
function launch(stdout: number | 'pipe', ...more: string[]) {
  const args = ['--node', 'id=foo', `datadir=${directory}/data`, '--log-level', 'debug', ...more];
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', stdout, 'pipe'] });
  started.push(child);
  const seen = { output: '', errors: '' };
  child.stdout?.on('data', (chunk) => {
    seen.output += chunk;
  });
  child.stderr?.on('data', (chunk) => {
    seen.errors += chunk;
  });
  return { child, seen, closed: once(child, 'close') };
}

const greeted = () => vi.waitFor(() => Client.greeted(socket), 10_000);

describe('a daemon whose output goes nowhere', () => {
  it('runs on when its reader has gone', async () => {
    const { child, seen, closed } = launch('pipe', '--control-service', `filename=${socket}`);
    const client = await greeted();
    child.stdout?.destroy();
    for (let count = 0; count < 20; count++)
      expect(await client.ask('nosuch')).toBe('ERROR: Unknown command\n');
    client.vanish();
    (await greeted()).vanish();
    child.kill('SIGTERM');
    expect((await closed)[0]).toBe(0);
    expect(seen.errors).toBe('');
  });

  it.skipIf(process.platform !== 'linux')('runs on when the disk is full, and says so once', async () => {
    const full = openSync('/dev/full', 'w');
    const { child, seen, closed } = launch(full, '--control-service', `filename=${socket}`);
    closeSync(full);
    const client = await greeted();
    for (let count = 0; count < 20; count++)
      expect(await client.ask('nosuch')).toBe('ERROR: Unknown command\n');
    client.vanish();
    child.kill('SIGTERM');
    expect((await closed)[0]).toBe(0);
    expect(seen.errors).toMatch(/^receptor: cannot write to the standard output: .*ENOSPC.*\n$/);
  });
});

describe('a node with nothing but local-only', () => {
  it('runs until it is told to end', async () => {
    const { child, seen, closed } = launch('pipe', '--local-only');
    await vi.waitFor(() => expect(seen.output).toContain('Initialization complete'), 10_000);
    // What has nothing left to wait for would be gone with this.
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(child.exitCode).toBeNull();
    child.kill('SIGINT');
    expect((await closed)[0]).toBe(0);
  });
});

describe('what is wrong with the configuration', () => {
  it('is one line on the standard output, with what to do in another, and exit code 1', async () => {
    const { seen, closed } = launch('pipe', '--tcp-listener', 'port=0', 'tls=nope');
    expect((await closed)[0]).toBe(1);
    expect(seen).toEqual({
      output: expect.stringMatching(/^Error: unknown TLS config nope\nHint: [^\n]* with name: nope\n$/),
      errors: '',
    });
  });

  it.each([
    ['allowedpeers=["a"', 'unexpected end of JSON input'],
    ['allowedpeers=[a]', "invalid character 'a' looking for beginning of value"],
    ['nodecost={"a":}', "invalid character '}' looking for beginning of value"],
    ['nodecost={a', "invalid character 'a' looking for beginning of object key string"],
    ['cost=a"b', 'strconv.ParseFloat: parsing "a\\"b": invalid syntax'],
  ])('is said of %s in the words of Go', async (argument, text) => {
    const { seen, closed } = launch('pipe', '--tcp-listener', 'port=0', argument);
    expect((await closed)[0]).toBe(1);
    const field = argument.slice(0, argument.indexOf('='));
    const [error, , ...more] = seen.output.replace(/^Hint: .*\n/m, '').split('\n');
    expect(error).toBe(`Error: error setting config value for field ${field}: ${text}`);
    expect(more).toEqual([]);
  });
});
