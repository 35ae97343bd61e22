import { statSync, utimesSync } from 'node:fs';
import { errorText } from '../error-text.js';
import type { WorkType } from '../worker.js';
import type { Unit } from './unit.js';

/** What a time that is set can be told apart by: it goes through a number of seconds with a fraction. */
const LEAST_STEP_NS = 2_000n;

/** A unit that waits, and what is done when its turn has come. */
interface Waiting {
  readonly unit: Unit;
  /** The time of its payload, in nanoseconds: what the order is by. */
  readonly since: bigint;
  readonly go: () => void;
}

/** The units of one work type that are under way, and those that wait. */
interface Queue {
  readonly limit: number;
  readonly underWay: Set<Unit>;
  readonly waiting: Waiting[];
}

/**
 * Lets no more units of a work type be under way than the type allows; the others wait in the order in which their payloads
 * were whole. That stands in their directories, so that it holds beyond a restart.
 */
export class Turns {
  readonly #queues = new Map<string, Queue>();
  #held = true;

  /** Lets no unit begin until {@link proceed}: older ones may turn up. */
  hold(): void {
    this.#held = true;
  }

  proceed(): void {
    this.#held = false;
    for (const queue of this.#queues.values()) this.#admit(queue);
  }

  /** A unit is under way that an earlier process has started: it has its place, whatever the limit. */
  occupy(unit: Unit, type: WorkType): void {
    const queue = this.#queueOf(type);
    if (!queue) return;
    queue.underWay.add(unit);
    this.#attend(unit, queue);
  }

  /**
   * Asks for a unit's turn.
   * @param go called when it has come, where it has not yet; never for a unit that has ended by then
   * @returns whether it has come
   */
  take(unit: Unit, type: WorkType, go: () => void): boolean {
    const queue = this.#queueOf(type);
    if (!queue) return true;
    this.#attend(unit, queue);
    const { limit, underWay, waiting } = queue;
    if (!this.#held && waiting.length === 0 && underWay.size < limit) {
      underWay.add(unit);
      return true;
    }
    const one = { unit, since: this.#held ? payloadTime(unit) : joinEnd(unit, waiting.at(-1)?.since), go };
    const later = waiting.findIndex((other) => isBefore(one, other));
    waiting.splice(later < 0 ? waiting.length : later, 0, one);
    this.#admit(queue);
    return false;
  }

  #queueOf({ name, maxRunning: limit }: WorkType): Queue | undefined {
    if (limit === undefined) return undefined;
    const known = this.#queues.get(name);
    if (known) return known;
    const queue: Queue = { limit, underWay: new Set(), waiting: [] };
    this.#queues.set(name, queue);
    return queue;
  }

  /** Gives the unit's place to the next when it has ended. */
  #attend(unit: Unit, queue: Queue): void {
    const stop = unit.onChange(() => {
      if (!unit.complete && unit.departure !== 'released') return;
      stop();
      queue.underWay.delete(unit);
      const place = queue.waiting.findIndex((each) => each.unit === unit);
      if (place >= 0) queue.waiting.splice(place, 1);
      this.#admit(queue);
    });
  }

  #admit({ limit, underWay, waiting }: Queue): void {
    while (!this.#held && underWay.size < limit) {
      const next = waiting.shift();
      if (!next) return;
      underWay.add(next.unit);
      next.go();
    }
  }
}

function isBefore(one: Waiting, other: Waiting): boolean {
  if (one.since !== other.since) return one.since < other.since;
  return one.unit.id < other.unit.id;
}

/** The time of a unit's payload; that of one which has just gone does not matter any more. */
function payloadTime({ stdinPath }: Unit): bigint {
  return statSync(stdinPath, { bigint: true, throwIfNoEntry: false })?.mtimeNs ?? 0n;
}

/** A clock may stand still for some milliseconds, or go back; the time of the payload is set right then. */
function joinEnd(unit: Unit, last = 0n): bigint {
  const time = payloadTime(unit);
  if (time > last) return time;
  const next = last + LEAST_STEP_NS;
  try {
    const seconds = Number(next / 1000n) / 1e6;
    utimesSync(unit.stdinPath, seconds, seconds);
  } catch (error) {
    unit.log.warning(`The place of unit ${unit.id} among those that wait may not last: ${errorText(error)}`);
  }
  return next;
}
