import { chmodSync, lstatSync, mkdtempSync, renameSync, rmSync, type Stats } from 'node:fs';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { ReceptorError } from '@receptor/protocol';
import type { Logger } from '@receptor/workceptor';
import { type FileLock, lockHolder, tryLock } from '../file-lock.js';
import { type Listener, surviveAcceptErrors } from '../listeners/listener.js';
import { systemErrorText } from '../listeners/system-error.js';

/**
 * Listens on a Unix socket (reference: control, 1.2) and replaces whatever stands at the path. The socket appears there
 * at once with its final mode and ready to answer, so no client ever sees it half made. Take the lock of
 * {@link lockUnixSocket} first, and keep it until the listener is closed.
 * @param mode of the socket file
 * @param accept is given each connection, which stays open when the peer closes one side
 * @param log hears of connections that could not be accepted
 * @throws ReceptorError `RECEPTOR_CONFIG_INVALID` in the words of the Go daemon
 */
export async function listenOnUnixSocket(
  filename: string,
  mode: number,
  accept: (socket: Socket) => void,
  log: Pick<Logger, 'error'>,
): Promise<Listener> {
  const server = createServer({ allowHalfOpen: true }, accept);
  const made = await bind(server, filename, mode);
  surviveAcceptErrors(server, log);
  return {
    address: filename,
    close: () => {
      const there = lstatSync(filename, { throwIfNoEntry: false });
      if (there?.ino === made.ino && there.dev === made.dev) rmSync(filename, { force: true });
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

/**
 * Takes the lock on a socket's path, so that no other daemon, not even one of Go, uses it or the same units meanwhile.
 * Where flock(2) cannot be called, all that can be known is whether somebody answers there.
 * @throws ReceptorError `RECEPTOR_CONFIG_INVALID` in the words of the Go daemon
 */
export async function lockUnixSocket(filename: string): Promise<FileLock> {
  const failed = (text: string, cause?: unknown) =>
    socketError(`could not acquire lock on socket file: ${text}`, cause);
  let lock: Awaited<ReturnType<typeof tryLock>>;
  try {
    lock = await tryLock(`${filename}.lock`);
  } catch (error) {
    throw failed(`${systemErrorText(error)} (${filename}.lock)`, error);
  }
  if (lock === 'unsupported') lock = (await answers(filename)) ? 'taken' : { release() {} };
  if (lock === 'taken') {
    const holder = lockHolder(`${filename}.lock`);
    const by = holder === undefined ? '' : `, held by process ${holder}`;
    throw failed(`fslock is already locked (${filename}.lock${by})`);
  }
  return lock;
}

/** Whether somebody accepts connections at the path. */
function answers(filename: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createConnection(filename);
    probe.once('connect', () => resolve(true));
    probe.once('error', () => resolve(false));
    probe.once('close', () => resolve(false));
    probe.once('connect', () => probe.destroy());
  });
}

/** The longest path that a client can name a socket by, in bytes. */
const MAX_PATH = process.platform === 'linux' ? 107 : 103;

/** Makes the socket in a directory that only we can enter, and moves it to its place when it is ready. */
async function bind(server: Server, filename: string, mode: number): Promise<Stats> {
  let directory: string | undefined;
  let step = `could not listen on socket file: listen unix ${filename}: bind`;
  // Where it is moved to, the system would not say so.
  if (Buffer.byteLength(filename) > MAX_PATH) throw socketError(`${step}: invalid argument`);
  try {
    // A short name: the path of a socket has about a hundred bytes.
    directory = mkdtempSync(`${dirname(filename)}/.`);
    const workplace = join(directory, 's');
    await listening(server, workplace);
    step = `error setting socket file permissions: chmod ${filename}`;
    chmodSync(workplace, mode);
    step = `could not overwrite socket file: rename ${filename}`;
    if (lstatSync(filename, { throwIfNoEntry: false })?.isDirectory()) rmSync(filename, { recursive: true });
    renameSync(workplace, filename);
    return lstatSync(filename);
  } catch (error) {
    server.close();
    throw socketError(`${step}: ${systemErrorText(error)}`, error);
  } finally {
    if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
  }
}

function listening(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ path, backlog: 1024 }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function socketError(text: string, cause?: unknown): ReceptorError {
  return new ReceptorError('RECEPTOR_CONFIG_INVALID', `error opening Unix socket: ${text}`, { cause });
}
