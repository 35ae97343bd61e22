import { createHash } from 'node:crypto';
import { type FSWatcher, watch } from 'node:fs';
import { lstat, readFile, readlink } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { Logger } from '@receptor/workceptor';
import type { TlsFiles } from './tls-profiles.js';

/** A certificate and its key are two files: this long after a change, in milliseconds, both should be there. */
const SETTLED = 300;
/** Symbolic links on the way to a file. */
const MAX_LINKS = 16;

/** Puts the files of `tls-server` and `tls-client` in force again when they change. What is not usable is not used. */
export class TlsRenewal {
  readonly #sections: readonly TlsFiles[];
  readonly #log: Logger;
  /** What the files of each section held when they were last looked at. */
  readonly #seen = new Map<TlsFiles, string>();
  #watchers: FSWatcher[] = [];
  #timer: NodeJS.Timeout | undefined;
  #last: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(sections: readonly TlsFiles[], log: Logger) {
    this.#sections = sections.filter(({ files }) => files.length > 0);
    this.#log = log;
  }

  /** Begins to watch; the files have been read already. */
  async start(): Promise<void> {
    await this.#watch();
    for (const section of this.#sections) this.#seen.set(section, await digest(section.files));
  }

  /** Looks at the files now. Never rejects: what is wrong is in the log. */
  refresh(): Promise<void> {
    this.#last = this.#last.then(() => this.#refresh());
    return this.#last;
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#unwatch();
  }

  async #refresh(): Promise<void> {
    if (this.#closed) return;
    // What a name leads to may be in another place now.
    await this.#watch();
    for (const section of this.#sections) {
      const now = await digest(section.files);
      if (this.#closed || this.#seen.get(section) === now) continue;
      this.#seen.set(section, now);
      try {
        await section.renew();
        this.#log.info(`TLS config ${section.name}: files have changed, new connections use them`);
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        this.#log.error(
          `TLS config ${section.name}: files have changed, but cannot be used, and what they held before stays in force: ${reason}`,
        );
      }
    }
  }

  async #watch(): Promise<void> {
    const directories = await directoriesOf(this.#sections.flatMap(({ files }) => files));
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

  #unwatch(): void {
    for (const watcher of this.#watchers.splice(0)) watcher.close();
  }

  #changed(): void {
    clearTimeout(this.#timer);
    if (this.#closed) return;
    this.#timer = setTimeout(() => void this.refresh(), SETTLED);
    this.#timer.unref();
  }
}

/** The directories in which a change can be one of these files, those of the links on the way included. */
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

/** What files hold, in short; that one cannot be read is something too. */
async function digest(files: readonly string[]): Promise<string> {
  const hash = createHash('sha256');
  for (const file of files) {
    const content = await readFile(file).catch((error: NodeJS.ErrnoException) => `${error.code}`);
    hash.update(`${content.length} `).update(content);
  }
  return hash.digest('hex');
}
