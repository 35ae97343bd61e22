import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '@receptor/workceptor';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { listenOnUnixSocket, lockUnixSocket } from '../../src/control/unix-listener.js';

let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'receptor-'));
  path = join(directory, 'foo.sock');
});
afterEach(() => {
  chmodSync(directory, 0o700);
  rmSync(directory, { recursive: true });
});

const refuse = (): never => {
  throw new Error('nobody was to connect');
};

describe('a Unix socket', () => {
  it.each([0o600, 0o660, 0o666, 0o777, 0o640])(
    'has exactly the mode %o, whatever the umask',
    async (mode) => {
      for (const mask of [0o000, 0o022, 0o077]) {
        const before = process.umask(mask);
        const listener = await listenOnUnixSocket(path, mode, refuse, silentLogger).finally(() =>
          process.umask(before),
        );
        expect(lstatSync(path).mode & 0o777).toBe(mode);
        expect(lstatSync(path).isSocket()).toBe(true);
        expect(readdirSync(directory)).toEqual(['foo.sock']);
        await listener.close();
        expect(existsSync(path)).toBe(false);
      }
    },
  );

  it.each([
    ['a file', () => writeFileSync(path, 'x')],
    [
      'a tree of directories',
      () => {
        mkdirSync(join(path, 'a', 'b'), { recursive: true });
        writeFileSync(join(path, 'a', 'file'), 'x');
      },
    ],
  ])('replaces %s at its path', async (_, put) => {
    put();
    const listener = await listenOnUnixSocket(path, 0o600, refuse, silentLogger);
    expect(lstatSync(path).isSocket()).toBe(true);
    await listener.close();
  });

  it('does not remove a file at its path that is not its own', async () => {
    const listener = await listenOnUnixSocket(path, 0o600, refuse, silentLogger);
    rmSync(path);
    writeFileSync(path, 'somebody else’s');
    await listener.close();
    expect(existsSync(path)).toBe(true);
  });

  it('refuses a path too long for any client, though the socket could be moved there', async () => {
    const long = join(directory, 'x'.repeat(110));
    await expect(listenOnUnixSocket(long, 0o600, refuse, silentLogger)).rejects.toThrow(
      `error opening Unix socket: could not listen on socket file: listen unix ${long}: bind: invalid argument`,
    );
    expect(existsSync(long)).toBe(false);
  });

  it('says in Go’s words that its directory is missing', async () => {
    const missing = join(directory, 'no', 'foo.sock');
    await expect(lockUnixSocket(missing)).rejects.toMatchObject({
      code: 'RECEPTOR_CONFIG_INVALID',
      message: `error opening Unix socket: could not acquire lock on socket file: no such file or directory (${missing}.lock)`,
    });
    await expect(listenOnUnixSocket(missing, 0o600, refuse, silentLogger)).rejects.toThrow(
      `error opening Unix socket: could not listen on socket file: listen unix ${missing}: bind: no such file or directory`,
    );
  });
});

describe('the lock of a socket', () => {
  it('can be held once, is free after its release, and its file stays', async () => {
    const lock = await lockUnixSocket(path);
    expect(lstatSync(`${path}.lock`).mode & 0o777).toBe(0o600);
    await expect(lockUnixSocket(path)).rejects.toThrow(
      'error opening Unix socket: could not acquire lock on socket file: fslock is already locked',
    );
    lock.release();
    expect(existsSync(`${path}.lock`)).toBe(true);
    (await lockUnixSocket(path)).release();
  });

  it('does not mind that somebody without the lock answers at the path', async () => {
    const server = createServer().listen(path);
    await new Promise((resolve) => server.once('listening', resolve));
    (await lockUnixSocket(path)).release();
    await new Promise((resolve) => server.close(resolve));
  });
});
