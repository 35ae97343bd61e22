import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '@receptor/workceptor';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { listenOnUnixSocket, lockUnixSocket } from '../../src/control/unix-listener.js';
import { lockData } from '../../src/data-lock.js';

vi.mock('koffi', () => {
  throw new Error('not installed');
});

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'receptor-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

it('without flock(2), the data directory is used with a warning', async () => {
  const warnings: string[] = [];
  const log = { warning: (message: string) => warnings.push(message) };
  expect(await lockData(join(directory, 'foo'), log)).toBeUndefined();
  expect(warnings).toEqual([expect.stringContaining('is the package koffi installed?')]);
});

it('without flock(2), a socket is taken while somebody answers there, and free otherwise', async () => {
  const path = join(directory, 'foo.sock');
  const lock = await lockUnixSocket(path);
  const listener = await listenOnUnixSocket(path, 0o600, (socket) => socket.destroy(), silentLogger);
  await expect(lockUnixSocket(path)).rejects.toThrow('fslock is already locked');
  await listener.close();
  lock.release();
  (await lockUnixSocket(path)).release();
});
