import { setImmediate as turn } from 'node:timers/promises';
import type { Clock } from '../../src/index.js';
import { type Pair, pair } from './pair.js';

interface Timer {
  at: number;
  callback: () => void;
  /** Of the network, not of an endpoint. */
  datagram: boolean;
}

/** Time that passes only when nothing is left to be done at an instant. */
export class VirtualClock implements Clock {
  #now: number;
  #next = 0;
  readonly #timers = new Map<number, Timer>();

  constructor(start = 0) {
    this.#now = start;
  }

  now(): number {
    return this.#now;
  }

  setTimeout(callback: () => void, milliseconds: number): number {
    return this.#add({ at: this.#now + milliseconds, callback, datagram: false });
  }

  /** Has a datagram arrive after some milliseconds. */
  deliver(callback: () => void, milliseconds: number): void {
    this.#add({ at: this.#now + milliseconds, callback, datagram: true });
  }

  #add(timer: Timer): number {
    const id = ++this.#next;
    this.#timers.set(id, timer);
    return id;
  }

  clearTimeout(id: unknown): void {
    this.#timers.delete(id as number);
  }

  /** How many timers the endpoints have armed. */
  get pending(): number {
    return [...this.#timers.values()].filter((timer) => !timer.datagram).length;
  }

  /** Lets time pass until a promise is settled, or for some milliseconds. */
  async run<T>(until: Promise<T> | number): Promise<T | undefined> {
    let done = false;
    const settle = () => {
      done = true;
    };
    if (typeof until !== 'number') until.then(settle, settle);
    const end = typeof until === 'number' ? this.#now + until : Number.POSITIVE_INFINITY;
    for (;;) {
      await turn();
      if (done) break;
      let first: [number, Timer] | undefined;
      for (const timer of this.#timers) if (!first || timer[1].at < first[1].at) first = timer;
      if (!first || first[1].at > end) {
        if (typeof until !== 'number') throw new Error('nothing is left that could happen');
        this.#now = end;
        break;
      }
      this.#timers.delete(first[0]);
      this.#now = Math.max(this.#now, first[1].at);
      first[1].callback();
    }
    return typeof until === 'number' ? undefined : until;
  }
}

/** Numbers from 0 to 1, the same for the same seed. */
export function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export interface Faults {
  /** Milliseconds that a datagram takes. */
  delay?: number;
  /** Shares of datagrams that are lost, come twice, come late, or are changed in one byte. */
  loss?: number;
  duplicates?: number;
  reordered?: number;
  corrupted?: number;
  seed?: number;
  /** What the clock shows at first. */
  start?: number;
}

/** Two endpoints on a network of a virtual clock. */
export function network(
  faults: Faults = {},
): Pair & { clock: VirtualClock; faults: Faults; delivered: number } {
  const clock = new VirtualClock(faults.start);
  const chance = random(faults.seed ?? 1);
  const happens = (share = 0) => share > 0 && chance() < share;
  const both = pair(
    (datagram, to, from) => {
      const { delay = 1 } = both.faults;
      if (happens(both.faults.loss)) return;
      const late = happens(both.faults.reordered) ? delay * (1 + 2 * chance()) : 0;
      if (happens(both.faults.corrupted)) {
        const at = Math.floor(chance() * datagram.length);
        datagram[at] = (datagram[at] ?? 0) ^ (1 + Math.floor(chance() * 255));
      }
      const copies = happens(both.faults.duplicates) ? 2 : 1;
      for (let copy = 0; copy < copies; copy++) {
        clock.deliver(() => {
          both.delivered++;
          both[to].receive(datagram, from);
        }, delay + late);
      }
    },
    { clock },
  ) as ReturnType<typeof network>;
  return Object.assign(both, { clock, faults, delivered: 0 });
}
