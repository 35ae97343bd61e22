import type { Clock } from './types.js';

/** The real time. */
export const systemClock: Clock = {
  now: () => Date.now(),
  after(ms, callback) {
    const timer = setTimeout(callback, ms);
    return () => clearTimeout(timer);
  },
};

/** Waits; ends early, without an error, when the signal is given. */
export function delay(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = () => {
      cancel();
      signal.removeEventListener('abort', done);
      resolve();
    };
    const cancel = clock.after(ms, done);
    signal.addEventListener('abort', done, { once: true });
  });
}

/** Resolves when the signal is given. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

/** Waiting times that double from 100 ms to 10 s, each somewhere in its upper half. */
export class Backoff {
  private next = 100;

  reset(): void {
    this.next = 100;
  }

  /** Milliseconds to wait now. @param atLeast what the server asked for */
  take(atLeast = 0): number {
    const ms = this.next * (0.5 + Math.random() / 2);
    this.next = Math.min(10_000, this.next * 2);
    return Math.max(atLeast, ms);
  }
}
