import { statSync } from 'node:fs';
import { join } from 'node:path';
import { errorText } from '../error-text.js';
import type { Logger } from '../logger.js';
import type { Assignment } from './assignment.js';
import { STATUS_FILE } from './status-file.js';
import type { Unit } from './unit.js';
import type { UnitStore } from './unit-store.js';

const LOOK_MS = 1000;
/** A unit that could not be released, because the cluster or the other node refuses it, is not tried again before this. */
const RETRY_MS = 3_600_000;
const GRACE_MS = 60_000;

/** Which of the finished units are kept; a limit that is absent is none. */
export interface Retention {
  /** How long a unit is kept after its end, in milliseconds. */
  readonly maxAgeMs?: number;
  /** How many finished units are kept: those that ended last. */
  readonly maxUnits?: number;
  /**
   * How long a unit is kept in any case after its end, and after its results were last read, in milliseconds: who has just
   * learnt of the end gets at the results. Default: a minute.
   */
  readonly graceMs?: number;
}

/** Releases finished units that are too old or too many. Off until it is told to {@link keep} only so much. */
export class Pruning {
  readonly #units: UnitStore;
  readonly #log: Logger;
  readonly #endings = new WeakMap<Unit, number>();
  readonly #refused = new Map<string, number>();
  #retention: Retention = {};
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;

  constructor(units: UnitStore, log: Logger) {
    this.#units = units;
    this.#log = log;
  }

  /** What is kept from now on. */
  keep(retention: Retention): void {
    this.#retention = retention;
    const isOn = retention.maxAgeMs !== undefined || retention.maxUnits !== undefined;
    clearInterval(this.#timer);
    this.#timer = isOn ? setInterval(() => this.#look(), LOOK_MS).unref() : undefined;
  }

  /** Ends it; resolves when no unit is being released any more. */
  async close(): Promise<void> {
    this.keep({});
    await this.#running;
  }

  #look(): void {
    this.#running ??= this.#prune().finally(() => {
      this.#running = undefined;
    });
  }

  async #prune(): Promise<void> {
    for (const assignment of this.#surplus()) {
      const { unit } = assignment;
      // Much may have happened while the one before was released, elsewhere too.
      if (this.#timer === undefined) return;
      if (!this.#isPrunable(assignment)) continue;
      try {
        await this.#units.release(assignment, false);
        this.#refused.delete(unit.id);
        this.#log.info(`Pruned unit ${unit.id}, finished ${new Date(this.#endOf(unit)).toISOString()}`);
      } catch (error) {
        this.#refused.set(unit.id, performance.now() + RETRY_MS);
        this.#log.warning(`Unit ${unit.id} could not be pruned, and is kept: ${errorText(error)}`);
      }
    }
  }

  /** The finished units that are not to be kept, the oldest first. */
  #surplus(): Assignment[] {
    const { maxAgeMs = Number.POSITIVE_INFINITY, maxUnits = Number.POSITIVE_INFINITY } = this.#retention;
    const finished = [...this.#units].filter(
      ({ type, unit }) => type && unit.complete && !unit.departure && !unit.needsKeeping,
    );
    const endings = finished.map((assignment) => ({ assignment, end: this.#endOf(assignment.unit) }));
    endings.sort((one, other) => one.end - other.end);
    const now = Date.now();
    return endings
      .filter(({ end }, place) => now - end > maxAgeMs || endings.length - place > maxUnits)
      .filter(({ end }) => now - end >= this.#graceMs)
      .map(({ assignment }) => assignment)
      .filter(({ unit }) => (this.#refused.get(unit.id) ?? 0) <= performance.now());
  }

  /** When a unit ended, in milliseconds since 1970: the last time its status was written. */
  #endOf(unit: Unit): number {
    const known = this.#endings.get(unit);
    if (known !== undefined) return known;
    const status = statSync(join(unit.directory, STATUS_FILE), { throwIfNoEntry: false });
    // One that somebody has removed by hand is nothing to prune.
    const end = status?.mtimeMs ?? Number.POSITIVE_INFINITY;
    this.#endings.set(unit, end);
    return end;
  }

  get #graceMs(): number {
    return this.#retention.graceMs ?? GRACE_MS;
  }

  /**
   * Whether a unit may go: it has ended and nobody is at its results. One of a type that the node does not offer stays, as
   * nobody knows what it has elsewhere; so does one whose release is under way.
   */
  #isPrunable({ type, unit }: Assignment): boolean {
    return (
      type !== undefined &&
      unit.complete &&
      unit.departure === undefined &&
      !unit.isRead(this.#graceMs) &&
      type.unfinished?.(unit) === undefined
    );
  }
}
