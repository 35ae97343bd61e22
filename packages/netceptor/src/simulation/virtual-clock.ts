import type { CancelTimer, Clock } from '../clock.js';

interface Timer {
  fire: (() => void) | undefined;
}

/** A clock that stands still until it is told to go on, and then skips what is between one timer and the next. */
export class VirtualClock implements Clock {
  #now: number;
  /** The timers by the time at which they are due, in the order in which they were set. */
  readonly #timers = new Map<number, Timer[]>();
  /** The times at which there are timers: a heap with the next on top. */
  readonly #times: number[] = [];

  constructor(start = Date.UTC(2026, 0, 1)) {
    this.#now = start;
  }

  now(): number {
    return this.#now;
  }

  schedule(delay: number, fire: () => void): CancelTimer {
    const due = this.#now + Math.max(0, delay);
    const timer: Timer = { fire };
    const timers = this.#timers.get(due);
    if (timers) timers.push(timer);
    else {
      this.#timers.set(due, [timer]);
      this.#push(due);
    }
    return () => {
      timer.fire = undefined;
    };
  }

  /** How many timers are set. */
  get pending(): number {
    let count = 0;
    for (const timers of this.#timers.values()) for (const { fire } of timers) if (fire) count++;
    return count;
  }

  /** Lets time pass, firing what is due on the way. Promises are settled in between, so that all comes in its order. */
  async advance(milliseconds: number): Promise<void> {
    const end = this.#now + milliseconds;
    await settled();
    for (let next = this.#times[0]; next !== undefined && next <= end; next = this.#times[0]) {
      this.#now = next;
      this.#fire(next);
      await settled();
    }
    this.#now = end;
  }

  /** Fires what is due at a time, and what is set for that time meanwhile. */
  #fire(time: number): void {
    const timers = this.#timers.get(time) ?? [];
    for (const timer of timers) {
      const { fire } = timer;
      timer.fire = undefined;
      fire?.();
    }
    this.#timers.delete(time);
    this.#pop();
  }

  #push(time: number): void {
    const heap = this.#times;
    let hole = heap.push(time) - 1;
    while (hole > 0) {
      const parent = (hole - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || above < time) break;
      heap[hole] = above;
      hole = parent;
    }
    heap[hole] = time;
  }

  #pop(): void {
    const heap = this.#times;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let hole = 0;
    for (;;) {
      let child = 2 * hole + 1;
      const [left, right] = [heap[child], heap[child + 1]];
      if (left === undefined) break;
      if (right !== undefined && right < left) child++;
      const first = Math.min(left, right ?? left);
      if (first > last) break;
      heap[hole] = first;
      hole = child;
    }
    heap[hole] = last;
  }
}

/** After this, what promises had to do has been done. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
