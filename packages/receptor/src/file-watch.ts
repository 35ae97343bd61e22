import { createHash } from 'node:crypto';
import { type FSWatcher, watch } from 'node:fs';
import { lstat, readFile, readlink } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { Logger } from '@receptor/workceptor';

/** What is written together is there so long after the last change, in milliseconds. */
const SETTLED = 300;
/** In a directory where something changes all the time nobody waits for longer than this, in milliseconds. */
const LONGEST = 2000;
/** Symbolic links on the way to a file. */
const MAX_LINKS = 16;

/**
 * Tells soon after files may have changed; whether they have is for who is told to find out. Their directories are watched,
 * those of symbolic links on the way included, since files are replaced more often than they are written to.
 */
export class FileWatch {
  readonly #files: readonly string[];
  readonly #tell: () => Promise<void>;
  readonly #log: Logger;
  #watchers: FSWatcher[] = [];
  #timer: NodeJS.Timeout | undefined;
  /** When the first change was seen of which nobody has been told. */
  #since: number | undefined;
  #last: Promise<void> = Promise.resolve();
  #closed = false;

  /** @param tell must not reject; never runs twice at once */
  constructor(files: readonly string[], tell: () => Promise<void>, log: Logger) {
    this.#files = files;
    this.#tell = tell;
    this.#log = log;
  }

  /** Begins to watch. */
  async start(): Promise<void> {
    const directories = await directoriesOf(this.#files);
    this.#unwatch();
    if (this.#closed) return;
    for (const directory of directories) {
      try {
        const watcher = watch(directory, { persistent: false }, () => this.#changed());
        watcher.on('error', (error) => this.#log.debug(`Cannot watch ${directory}: ${error.message}`));
        this.#watchers.push(watcher);
      } catch (error) {
        this.#log.debug(`Cannot watch ${directory}: ${error instanceof Error ? error.message : error}`);
      }
    }
  }

  /** Tells now, as if something had changed. Resolves when who is told is done. */
  look(): Promise<void> {
    this.#last = this.#last.then(async () => {
      if (this.#closed) return;
      // What a name leads to may be in another place now.
      await this.start();
      await this.#tell();
    });
    return this.#last;
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#unwatch();
  }

  #unwatch(): void {
    for (const watcher of this.#watchers.splice(0)) watcher.close();
  }

  #changed(): void {
    if (this.#closed) return;
    const now = performance.now();
    this.#since ??= now;
    clearTimeout(this.#timer);
    const wait = Math.max(0, Math.min(SETTLED, this.#since + LONGEST - now));
    this.#timer = setTimeout(() => {
      this.#since = undefined;
      void this.look();
    }, wait);
    this.#timer.unref();
  }
}

/** What files hold, in short; that one cannot be read is something too. */
export async function digestOf(files: readonly string[]): Promise<string> {
  const hash = createHash('sha256');
  for (const file of files) {
    const content = await readFile(file).catch((error: NodeJS.ErrnoException) => `${error.code}`);
    hash.update(`${content.length} `).update(content);
  }
  return hash.digest('hex');
}

/** The directories in which a change can be one of these files. */
async function directoriesOf(files: readonly string[]): Promise<Set<string>> {
  const directories = new Set<string>();
  for (const file of new Set(files)) {
    let path = resolve(file);
    for (let links = 0; links < MAX_LINKS; links++) {
      directories.add(dirname(path));
      const found = await lstat(path).catch(() => undefined);
      if (!found?.isSymbolicLink()) break;
      path = resolve(dirname(path), await readlink(path));
    }
  }
  return directories;
}
