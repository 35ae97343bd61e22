import { readdir, readFile, rmdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { errorCode, errorText } from '../error-text.js';
import type { Logger } from '../logger.js';
import { makeDirectory } from '../make-directory.js';
import type { WorkType } from '../worker.js';
import { replaceFile } from './status-file.js';
import { isUnitId } from './unit-id.js';

/** Where it is kept what units have left outside; no name of a unit. */
export const LEFTOVERS_DIRECTORY = '.leftovers';
/** A start has more urgent things to do than to look for what is left of earlier ones. */
const SWEEP_AFTER_MS = 1000;

/** What a unit has left outside of its directory, as it is kept until that is freed. */
interface Leftover {
  WorkType: string;
  Leftover: unknown;
}

/** What the housekeeping has to know of the units. */
export interface Household {
  /** The node's directory. */
  directory: string;
  typeOf(name: string): WorkType | undefined;
  isUnit(id: string): boolean;
  log: Logger;
}

/**
 * Sees to what units leave outside of their directories, such as pods: what could not be freed when a unit ended is freed
 * later, also by a later process; and each work type may look for what nobody knows of any more.
 */
export class Housekeeping {
  readonly #household: Household;
  readonly #directory: string;
  readonly #kept = new Map<string, Leftover>();
  readonly #stop = new AbortController();
  readonly #running = new Map<string, Promise<void>>();

  constructor(household: Household) {
    this.#household = household;
    this.#directory = join(household.directory, LEFTOVERS_DIRECTORY);
  }

  /** Reads what earlier processes have left and begins to free it. */
  async open(): Promise<void> {
    const names = await readdir(this.#directory).catch(() => []);
    for (const id of names.filter(isUnitId)) {
      try {
        const kept = JSON.parse(await readFile(join(this.#directory, id), 'utf8')) as Leftover;
        this.#kept.set(id, kept);
        this.#free(id);
      } catch (error) {
        this.#household.log.warning(`Cannot read what unit ${id} has left: ${errorText(error)}`);
      }
    }
  }

  /** Frees and looks for what units of this type have left. */
  offer(type: WorkType): void {
    for (const [id, { WorkType: name }] of this.#kept) if (name === type.name) this.#free(id);
    if (type.sweep) this.#run(`sweep ${type.name}`, () => this.#sweep(type));
  }

  /** Keeps, durably, what a unit has left, and goes on to free it. */
  async keep(id: string, workType: string, leftover: unknown): Promise<void> {
    const kept = { WorkType: workType, Leftover: leftover };
    makeDirectory(this.#directory);
    await replaceFile(this.#directory, id, `${JSON.stringify(kept)}\n`, true);
    this.#kept.set(id, kept);
    this.#free(id);
  }

  /** Ends what is under way; what is left stays kept. */
  async close(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#running.values());
  }

  #free(id: string): void {
    const { typeOf, log } = this.#household;
    const kept = this.#kept.get(id);
    const type = kept && typeOf(kept.WorkType);
    if (!kept || !type?.free) return;
    const free = type.free.bind(type);
    this.#run(id, async () => {
      await free(kept.Leftover, this.#stop.signal);
      if (this.#stop.signal.aborted) return;
      this.#kept.delete(id);
      await unlink(join(this.#directory, id)).catch((error: unknown) => {
        if (errorCode(error) !== 'ENOENT')
          log.warning(`Error forgetting what unit ${id} had left: ${errorText(error)}`);
      });
      if (this.#kept.size === 0) await rmdir(this.#directory).catch(() => undefined);
    });
  }

  async #sweep(type: WorkType): Promise<void> {
    const { log, isUnit } = this.#household;
    const { signal } = this.#stop;
    try {
      await delay(SWEEP_AFTER_MS, undefined, { signal, ref: false });
      await type.sweep?.((id) => isUnit(id) || this.#kept.has(id), signal);
    } catch (error) {
      if (signal.aborted) return;
      log.warning(`Could not look for what units of type ${type.name} have left: ${errorText(error)}`);
    }
  }

  /** Runs something in the background, once at a time. */
  #run(name: string, task: () => Promise<void>): void {
    if (this.#running.has(name) || this.#stop.signal.aborted) return;
    const running = task()
      .catch((error: unknown) => {
        if (!this.#stop.signal.aborted)
          this.#household.log.error(`Error freeing ${name}: ${errorText(error)}`);
      })
      .finally(() => this.#running.delete(name));
    this.#running.set(name, running);
  }
}
