import { rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type UnitStatus, WorkState } from '@receptor/protocol';
import { errorCode, errorText } from '../error-text.js';
import type { Logger } from '../logger.js';
import type { WorkType } from '../worker.js';
import { Assignment, type Outcome } from './assignment.js';
import { LEFTOVERS_DIRECTORY } from './housekeeping.js';
import { readStatus } from './status-file.js';
import { SubmitKeys } from './submit-keys.js';
import { Turns } from './turns.js';
import { Unit } from './unit.js';
import {
  createUnitDirectory,
  isDirectory,
  isUnborn,
  namesIn,
  removeUnitDirectory,
} from './unit-directory.js';
import { isUnitId } from './unit-id.js';

/** How often the sizes of running units are brought to disk, and failed writes tried again. */
const KEEP_UP_MS = 1000;
const REMOVE_ATTEMPTS = 3;
const REMOVE_RETRY_MS = 1000;

/** What the store has to know of the node. */
export interface StoreOptions {
  /** Where the units' directories are. */
  directory: string;
  typeOf(name: string): WorkType | undefined;
  /** See {@link Unit}. */
  keep(id: string, workType: string, leftover: unknown): Promise<void>;
  log: Logger;
}

/** The units of a node: what is in its directory, each with what is known of it. */
export class UnitStore implements Iterable<Assignment> {
  readonly keys = new SubmitKeys();
  readonly turns = new Turns();
  readonly #options: StoreOptions;
  readonly #units = new Map<string, Assignment>();
  readonly #loading = new Map<string, Promise<Assignment | undefined>>();
  #keepingUp: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: StoreOptions) {
    this.#options = options;
  }

  [Symbol.iterator](): Iterator<Assignment> {
    return this.#units.values();
  }

  has(id: string): boolean {
    return this.#units.has(id);
  }

  /** Reads the units that are on disk; what is none is reported in the log and left alone. */
  async open(): Promise<void> {
    const { directory } = this.#options;
    for (const name of await namesIn(directory)) {
      if (name === LEFTOVERS_DIRECTORY) continue;
      const found = await this.#locate(name);
      // A submit that was refused, or that ended before its ID was given out, leaves this with the Go daemon.
      if (!found && isUnitId(name)) await rmdir(join(directory, name)).catch(() => undefined);
    }
    if (!this.#closed) this.turns.proceed();
  }

  /** Lets go of all units. */
  async close(): Promise<void> {
    this.#closed = true;
    this.turns.hold();
    clearInterval(this.#keepingUp);
    await Promise.allSettled(this.#loading.values());
    await Promise.all([...this.#units.values()].map((assignment) => assignment.detach()));
    this.#units.clear();
  }

  /** Makes a unit, durably. Undefined, and nothing made, when the store was closed meanwhile. */
  async create(type: WorkType, status: UnitStatus, key?: string): Promise<Assignment | undefined> {
    const { id, directory } = await createUnitDirectory(this.#options.directory, status, key);
    if (this.#closed) {
      await removeUnitDirectory(directory);
      return undefined;
    }
    if (key !== undefined) this.keys.add(key, id);
    return this.#add(id, new Assignment(this.#unit(directory, id, status), this.turns, type));
  }

  /** The unit of an ID, also one that somebody has put on disk meanwhile. */
  async find(id: string): Promise<Assignment | undefined> {
    const known = this.#units.get(id);
    if (known?.unit.departure === 'released') {
      // Somebody has removed its directory.
      this.#forget(known);
      void known.detach();
    }
    return this.#units.get(id) ?? (isUnitId(id) ? this.#locate(id) : undefined);
  }

  /** Ends a unit, and removes it; see {@link Assignment.release}. */
  async release(assignment: Assignment, force: boolean): Promise<Outcome> {
    const { unit } = assignment;
    const outcome = await assignment.release(force, () => this.#remove(unit));
    this.#forget(assignment);
    return outcome;
  }

  /** Removes a unit that was not started, if that is still possible; see {@link Assignment.withdraw}. */
  async withdraw(assignment: Assignment): Promise<boolean> {
    const withdrawn = await assignment.withdraw(() => this.#remove(assignment.unit));
    if (withdrawn) this.#forget(assignment);
    return withdrawn;
  }

  #forget(assignment: Assignment): void {
    const { id } = assignment.unit;
    if (this.#units.get(id) !== assignment) return;
    this.#units.delete(id);
    this.keys.forget(id);
  }

  #add(id: string, assignment: Assignment): Assignment {
    this.#units.set(id, assignment);
    this.#keepUp();
    return assignment;
  }

  /** Loads a unit from disk, once however often it is asked for. */
  async #locate(id: string): Promise<Assignment | undefined> {
    const known = this.#units.get(id) ?? this.#loading.get(id);
    if (known) return known;
    const loading = this.#load(id).finally(() => this.#loading.delete(id));
    this.#loading.set(id, loading);
    return loading;
  }

  async #load(id: string): Promise<Assignment | undefined> {
    const { log, typeOf } = this.#options;
    const directory = join(this.#options.directory, id);
    const nowhere = () => {
      log.error(`Error locating unit: ${id}`);
      return undefined;
    };
    if (!isUnitId(id)) return nowhere();
    let status: UnitStatus;
    let readable = true;
    try {
      status = await readStatus(directory);
    } catch (error) {
      if (!isDirectory(directory)) return nowhere();
      if (isUnborn(directory)) {
        await removeUnitDirectory(directory);
        return undefined;
      }
      if (errorCode(error) === 'ENOENT') {
        log.warning(`Status file has disappeared for ${id}.`);
        return undefined;
      }
      log.error(`Failed to restart worker ${directory} due to read error: ${errorText(error)}`);
      const detail = `Failed to restart: status file cannot be read: ${errorText(error)}`;
      status = { State: WorkState.Failed, Detail: detail, StdoutSize: 0, WorkType: '', ExtraData: null };
      readable = false;
    }
    if (this.#closed) return undefined;
    this.keys.load(directory, id);
    const assignment = this.#add(id, new Assignment(this.#unit(directory, id, status), this.turns));
    const type = readable ? typeOf(status.WorkType) : undefined;
    const released = type?.unfinished?.(assignment.unit) === 'release';
    if (type) assignment.offer(type);
    if (released) void this.#releaseLater(assignment);
    return assignment;
  }

  /** Does what an earlier process had promised. */
  async #releaseLater(assignment: Assignment): Promise<void> {
    try {
      await this.release(assignment, false);
    } catch (error) {
      this.#options.log.error(`Error releasing unit ${assignment.unit.id}: ${errorText(error)}`);
    }
  }

  #unit(directory: string, id: string, status: UnitStatus): Unit {
    const { log, keep } = this.#options;
    return new Unit(directory, id, status, log, keep);
  }

  async #remove(unit: Unit): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        await removeUnitDirectory(unit.directory);
        return;
      } catch (error) {
        this.#options.log.error(`Error removing directory of unit ${unit.id}: ${errorText(error)}`);
        if (attempt === REMOVE_ATTEMPTS) throw error;
      }
      await delay(REMOVE_RETRY_MS);
    }
  }

  #keepUp(): void {
    this.#keepingUp ??= setInterval(() => {
      // Of a unit whose work type is unknown nothing is ever written.
      const kept = [...this.#units.values()].filter(({ type, unit }) => type && unit.needsKeeping);
      for (const { unit } of kept) void unit.keepUp();
      if (kept.length > 0) return;
      clearInterval(this.#keepingUp);
      this.#keepingUp = undefined;
    }, KEEP_UP_MS).unref();
  }
}
