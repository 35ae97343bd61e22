import type { CancelTimer, Clock } from '../clock.js';

interface Timer {
  readonly due: number;
  /** The order in which timers that are due at the same time were set. */
  readonly order: number;
  fire: (() => void) | undefined;
}

/** A clock that stands still until it is told to go on, and then skips what is between one timer and the next. */
export class VirtualClock implements Clock {
  #now: number;
  #order = 0;
  readonly #heap: Timer[] = [];

  constructor(start = Date.UTC(2026, 0, 1)) {
    this.#now = start;
  }

  now(): number {
    return this.#now;
  }

  schedule(delay: number, fire: () => void): CancelTimer {
    const timer: Timer = { due: this.#now + Math.max(0, delay), order: this.#order++, fire };
    this.#push(timer);
    return () => {
      timer.fire = undefined;
    };
  }

  /** How many timers are set. */
  get pending(): number {
    return this.#heap.filter(({ fire }) => fire).length;
  }

  /** Lets time pass, firing what is due on the way. Promises are settled in between, so that all comes in its order. */
  async advance(milliseconds: number): Promise<void> {
    const end = this.#now + milliseconds;
    await settled();
    for (let next = this.#heap[0]; next && next.due <= end; next = this.#heap[0]) {
      const at = next.due;
      this.#now = at;
      for (let due = this.#heap[0]; due && due.due <= at; due = this.#heap[0]) {
        this.#pop();
        due.fire?.();
      }
      await settled();
    }
    this.#now = end;
  }

  #push(timer: Timer): void {
    const heap = this.#heap;
    let hole = heap.push(timer) - 1;
    while (hole > 0) {
      const parent = (hole - 1) >> 1;
      const above = heap[parent];
      if (!above || !isBefore(timer, above)) break;
      heap[hole] = above;
      hole = parent;
    }
    heap[hole] = timer;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (!last || heap.length === 0) return;
    let hole = 0;
    for (;;) {
      let child = 2 * hole + 1;
      const [left, right] = [heap[child], heap[child + 1]];
      if (!left) break;
      if (right && isBefore(right, left)) child++;
      const first = heap[child];
      if (!first || !isBefore(first, last)) break;
      heap[hole] = first;
      hole = child;
    }
    heap[hole] = last;
  }
}

function isBefore(a: Timer, b: Timer): boolean {
  return a.due < b.due || (a.due === b.due && a.order < b.order);
}

/** After this, what promises had to do has been done. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
