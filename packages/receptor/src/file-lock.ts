import { closeSync, constants, openSync, readFileSync, statSync } from 'node:fs';

/** A lock on a file that this process holds until it is released or ends. */
export interface FileLock {
  release(): void;
}

/** What came of trying to take a lock; `unsupported` where flock(2) cannot be called. */
export type LockAttempt = FileLock | 'taken' | 'unsupported';

type Flock = (fd: number, operation: number) => number;

const LOCK_EX = 2;
const LOCK_NB = 4;

/**
 * Takes flock(2) on a file, which excludes a Go daemon as well: Node has no call for it, and the lock libraries of npm
 * use other protocols. The file is made (mode 0600) where it is missing, and never removed.
 * @throws the system's error when the file cannot be opened or locked
 */
export async function tryLock(path: string): Promise<LockAttempt> {
  // Over NFS, an exclusive lock needs a file that may be written.
  const fd = openSync(path, constants.O_CREAT | constants.O_RDWR, 0o600);
  const failed = (attempt: LockAttempt) => {
    closeSync(fd);
    return attempt;
  };
  const library = await loadFlock();
  if (library === undefined) return failed('unsupported');
  if (library.flock(fd, LOCK_EX | LOCK_NB) === 0) return { release: () => closeSync(fd) };
  const errno = library.errno();
  if (errno === library.wouldBlock) return failed('taken');
  closeSync(fd);
  throw new Error(`flock: errno ${errno}`);
}

/** Which process has the lock on a file, whatever kind of daemon it is; undefined where the system does not tell. */
export function lockHolder(path: string): number | undefined {
  try {
    const inode = String(statSync(path).ino);
    // `1: FLOCK  ADVISORY  WRITE 4711 08:01:131072 0 EOF`; a process of another container is 0.
    const lines = readFileSync('/proc/locks', 'utf8').split('\n');
    const fields = lines
      .map((line) => line.trim().split(/\s+/))
      .find((each) => each[5]?.endsWith(`:${inode}`));
    return Number(fields?.[4]) || undefined;
  } catch {
    return undefined;
  }
}

interface FlockLibrary {
  flock: Flock;
  errno(): number;
  wouldBlock: number;
}

let loading: Promise<FlockLibrary | undefined> | undefined;

/** Loads koffi, an optional dependency, the first time a lock is wanted. */
function loadFlock(): Promise<FlockLibrary | undefined> {
  loading ??= (async () => {
    try {
      const { default: koffi } = await import('koffi');
      const flock = koffi.load(null).func('int flock(int fd, int operation)') as unknown as Flock;
      return { flock, errno: () => koffi.errno(), wouldBlock: koffi.os.errno.EWOULDBLOCK ?? 11 };
    } catch {
      return undefined;
    }
  })();
  return loading;
}
