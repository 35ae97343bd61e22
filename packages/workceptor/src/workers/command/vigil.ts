import { type FSWatcher, watch } from 'node:fs';

/** How long a vigil sleeps at most where no file wakes it. */
const POLL_MS = 1000;

/**
 * Looks after a process that is no child of ours: checks at once, whenever a file in the directory changes, and now
 * and then. One check at a time; it ends when a check returns true.
 */
export class Vigil {
  readonly #check: () => Promise<boolean>;
  readonly #timer: NodeJS.Timeout;
  #watcher: FSWatcher | undefined;
  #state: 'idle' | 'checking' | 'again' | 'closed' = 'idle';

  constructor(directory: string, check: () => Promise<boolean>) {
    this.#check = check;
    this.#timer = setInterval(() => this.look(), POLL_MS).unref();
    try {
      this.#watcher = watch(directory, { persistent: false }, () => this.look());
      this.#watcher.on('error', () => this.#watcher?.close());
    } catch {
      // No watch to be had: the timer has to do.
    }
    this.look();
  }

  /** Ends the vigil; a check under way has no successor. */
  close(): void {
    this.#state = 'closed';
    clearInterval(this.#timer);
    this.#watcher?.close();
  }

  /** Checks now. */
  look(): void {
    if (this.#state === 'closed') return;
    if (this.#state !== 'idle') {
      this.#state = 'again';
      return;
    }
    this.#state = 'checking';
    void this.#lookUntilQuiet();
  }

  async #lookUntilQuiet(): Promise<void> {
    // A check that throws is made again at the next occasion.
    const over = await this.#check().catch(() => false);
    if (this.#state === 'closed') return;
    if (over) {
      this.close();
      return;
    }
    const again = this.#state === 'again';
    this.#state = 'idle';
    if (again) this.look();
  }
}
