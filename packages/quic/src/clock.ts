/** Where an endpoint has its time from: the process's, or one that a test or a simulation drives. */
export interface Clock {
  /** Milliseconds, never less than before. */
  now(): number;
  /** Calls back once, after at least so many milliseconds. */
  setTimeout(callback: () => void, milliseconds: number): unknown;
  /** Cancels what {@link Clock.setTimeout} gave. */
  clearTimeout(timer: unknown): void;
}

/** The process's time. */
export const systemClock: Clock = {
  now: () => performance.now(),
  setTimeout: (callback, milliseconds) => setTimeout(callback, milliseconds),
  clearTimeout: (timer) => clearTimeout(timer as NodeJS.Timeout),
};
