import { constants } from 'node:os';
import { getSystemErrorName } from 'node:util';
import { isMainThread } from 'node:worker_threads';
import type { Child, ExitListener } from './child.js';

/** What is called of the C library. Structures are memory that only it knows the layout of. */
interface Library {
  /** In a thread, because it returns only when the child's program is loaded; resolves with the number of an error, or 0. */
  posix_spawn(out: [number], path: string, argv: Texts, envp: Texts): Promise<number>;
  waitpid(pid: number, status: [number], options: number): number;
}
type Texts = readonly (string | null)[];

/** Larger than the structures of any C library. */
const STRUCTURE_BYTES = 1024;
const SIGNAL_SET_BYTES = 128;
/** POSIX_SPAWN_SETSIGDEF, POSIX_SPAWN_SETSIGMASK, and POSIX_SPAWN_SETSID, as Linux has them. */
const FLAGS = 0x04 | 0x08 | 0x80;
const WNOHANG = 1;
/** koffi refuses more than 64 calls at once. */
const MOST_AT_ONCE = 32;
/** A signal that comes while another of its kind is pending is lost: this often it is looked without one. */
const LOOK_MS = 1000;

type PosixSpawn = (path: string, args: readonly string[], onExit: ExitListener) => Promise<Child>;

let loading: Promise<PosixSpawn | undefined> | undefined;

/** Starts children with posix_spawn(3); undefined where it cannot be called. Loads koffi, an optional dependency, once. */
export function loadPosixSpawn(): Promise<PosixSpawn | undefined> {
  loading ??= (async () => {
    // Signals go to the main thread only.
    if (process.platform !== 'linux' || !isMainThread) return undefined;
    try {
      const { default: koffi } = await import('koffi');
      const spawner = new Spawner(declare(koffi));
      return (path, args, onExit) => spawner.spawn(path, args, onExit);
    } catch {
      return undefined;
    }
  })();
  return loading;
}

function declare(koffi: typeof import('koffi').default): Library {
  const c = koffi.load(null);
  const initActions = c.func('int posix_spawn_file_actions_init(void *actions)');
  const addOpen = c.func(
    'int posix_spawn_file_actions_addopen(void *actions, int fd, const char *path, int flags, int mode)',
  );
  const initAttributes = c.func('int posix_spawnattr_init(void *attributes)');
  const setFlags = c.func('int posix_spawnattr_setflags(void *attributes, short flags)');
  const setDefault = c.func('int posix_spawnattr_setsigdefault(void *attributes, const void *set)');
  const setMask = c.func('int posix_spawnattr_setsigmask(void *attributes, const void *set)');

  const actions = Buffer.alloc(STRUCTURE_BYTES);
  const attributes = Buffer.alloc(STRUCTURE_BYTES);
  const all = Buffer.alloc(SIGNAL_SET_BYTES, 0xff);
  const none = Buffer.alloc(SIGNAL_SET_BYTES);
  const results: unknown[] = [initActions(actions), initAttributes(attributes)];
  for (const fd of [0, 1, 2]) results.push(addOpen(actions, fd, '/dev/null', 2 /* O_RDWR */, 0));
  results.push(setFlags(attributes, FLAGS), setDefault(attributes, all), setMask(attributes, none));
  if (results.some((result) => result !== 0)) throw new Error('posix_spawn(3) cannot be set up');
  const posixSpawn = c.func(
    'int posix_spawn(_Out_ int *pid, const char *path, void *actions, void *attributes, const char **argv, const char **envp)',
  );
  return {
    posix_spawn: (out, path, argv, envp) =>
      new Promise((resolve, reject) => {
        const done = (error: unknown, result: number) => (error ? reject(error) : resolve(result));
        posixSpawn.async(out, path, actions, attributes, argv, envp, done);
      }),
    waitpid: c.func('int waitpid(int pid, _Out_ int *status, int options)') as unknown as Library['waitpid'],
  };
}

/** Starts children, and is told of their ends by SIGCHLD, as Node is of those it has started itself. */
class Spawner {
  readonly #library: Library;
  /** The children that have yet to be reaped, and who is told. */
  readonly #children = new Map<number, { listener: ExitListener | undefined }>();
  readonly #starting = new Set<Promise<number>>();
  #timer: NodeJS.Timeout | undefined;
  readonly #look = () => this.#reap();

  constructor(library: Library) {
    this.#library = library;
  }

  async spawn(path: string, args: readonly string[], onExit: ExitListener): Promise<Child> {
    const argv = [path, ...args, null];
    const envp = [...Object.entries(process.env).map(([name, value]) => `${name}=${value}`), null];
    // What follows it would be cut off.
    if (argv.some((text) => text?.includes('\0'))) throw new TypeError('an argument contains a null byte');
    while (this.#starting.size >= MOST_AT_ONCE) await Promise.race(this.#starting).catch(() => undefined);
    const out: [number] = [0];
    const start = this.#library.posix_spawn(out, path, argv, envp);
    this.#starting.add(start);
    this.#listen();
    const error = await start.finally(() => this.#starting.delete(start));
    if (error !== 0) {
      this.#listen();
      const code = getSystemErrorName(-error);
      throw Object.assign(new Error(`spawn ${path} ${code}`), {
        code,
        errno: -error,
        path,
        syscall: 'spawn',
      });
    }
    return this.#adopt(out[0], onExit);
  }

  #adopt(pid: number, onExit: ExitListener): Child {
    const entry: { listener: ExitListener | undefined } = { listener: onExit };
    this.#children.set(pid, entry);
    this.#listen();
    // It may have ended before it was known.
    setImmediate(this.#look);
    return {
      pid,
      letGo: () => {
        entry.listener = undefined;
        this.#listen();
      },
    };
  }

  /** Listens as long as there are children, and keeps the process from ending as long as somebody waits for one. */
  #listen(): void {
    if (this.#children.size === 0 && this.#starting.size === 0) {
      process.off('SIGCHLD', this.#look);
      clearInterval(this.#timer);
      this.#timer = undefined;
      return;
    }
    if (this.#timer === undefined) {
      process.on('SIGCHLD', this.#look);
      this.#timer = setInterval(this.#look, LOOK_MS);
    }
    const attended = [...this.#children.values()].some(({ listener }) => listener);
    if (attended || this.#starting.size > 0) this.#timer.ref();
    else this.#timer.unref();
  }

  #reap(): void {
    const ended: (() => void)[] = [];
    const { size } = this.#children;
    for (const [pid, { listener }] of this.#children) {
      const status: [number] = [0];
      const result = this.#library.waitpid(pid, status, WNOHANG);
      if (result === 0) continue;
      this.#children.delete(pid);
      // Somebody else has reaped it where there is none: how it ended nobody knows.
      const [code, signal] = result === pid ? decode(status[0]) : [null, null];
      if (listener) ended.push(() => listener(code, signal));
    }
    if (this.#children.size < size) this.#listen();
    for (const tell of ended) tell();
  }
}

/** Reads the status of wait(2). */
function decode(status: number): [number | null, NodeJS.Signals | null] {
  const number = status & 0x7f;
  if (number === 0) return [(status >> 8) & 0xff, null];
  const name = Object.entries(constants.signals).find(([, value]) => value === number)?.[0];
  return [null, (name ?? null) as NodeJS.Signals | null];
}
