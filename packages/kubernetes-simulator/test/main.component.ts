import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { Client } from './client.js';

const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url));

const start = (...args: string[]) =>
  spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });

test('the program writes a kubeconfig, says what it is, and ends at SIGTERM', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'simulator-main-'));
  const file = join(directory, 'config');
  const program = start('--kubeconfig', file, '--namespace', 'extra');
  const [said] = (await once(program.stdout, 'data')) as [Buffer];
  expect(said.toString()).toMatch(
    /^Kubernetes simulator \(not a real cluster\) at https:\/\/127\.0\.0\.1:\d+, kubeconfig /,
  );
  expect(statSync(file).mode & 0o777).toBe(0o600);
  const client = new Client(readFileSync(file, 'utf8'));
  expect((await client.get('/api/v1/namespaces/extra')).status).toBe(200);
  client.close();
  program.kill('SIGTERM');
  expect(await once(program, 'exit')).toEqual([0, null]);
  rmSync(directory, { recursive: true });
});

test('the program says what is wrong with its arguments', async () => {
  const program = start('--port', 'x', '--kubeconfig', 'y');
  const [said] = (await once(program.stderr, 'data')) as [Buffer];
  expect(said.toString()).toBe('kubernetes-simulator: --port must be a number from 0 to 65535, not "x"\n');
  expect(await once(program, 'exit')).toEqual([1, null]);
});
