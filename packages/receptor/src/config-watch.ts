import type { Logger } from '@receptor/workceptor';
import { digestOf, FileWatch } from './file-watch.js';

/** Reloads when one of the configuration's files has changed, and tells of it as the Go daemon does (reference: config, 4). */
export class ConfigWatch {
  readonly #files: readonly string[];
  readonly #reload: () => Promise<boolean>;
  readonly #log: Logger;
  readonly #watch: FileWatch;
  readonly #seen = new Map<string, string>();

  /** @param reload says whether anything has changed that can; rejects when nothing could be put in force */
  constructor(files: readonly string[], reload: () => Promise<boolean>, log: Logger) {
    this.#files = files;
    this.#reload = reload;
    this.#log = log;
    this.#watch = new FileWatch(files, () => this.#look(), log);
  }

  /** Begins to watch; the files have been read already. */
  async start(): Promise<void> {
    if (this.#files.length === 0) return;
    await this.#watch.start();
    await this.#changedFiles();
  }

  close(): void {
    this.#watch.close();
  }

  async #look(): Promise<void> {
    const changed = await this.#changedFiles();
    if (changed.length === 0) return;
    for (const file of changed) this.#log.info(`Config file changed: ${file}`);
    try {
      const reloaded = await this.#reload();
      this.#log.info(reloaded ? 'Reloading backends' : 'No reloadable backends were found.');
    } catch (error) {
      this.#log.warning(`Reload not successful: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  async #changedFiles(): Promise<string[]> {
    const changed: string[] = [];
    for (const file of this.#files) {
      const now = await digestOf([file]);
      if (this.#seen.get(file) !== now) changed.push(file);
      this.#seen.set(file, now);
    }
    return changed;
  }
}
