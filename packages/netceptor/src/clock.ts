/** Cancels a timer; harmless when it has fired already. */
export type CancelTimer = () => void;

/** Where the mesh takes its time from, so that a test can drive it. */
export interface Clock {
  /** Milliseconds since 1970, never going back while the process runs. */
  now(): number;
  /** Calls `fire` once, `delay` milliseconds from now. */
  schedule(delay: number, fire: () => void): CancelTimer;
}

const startedAt = Date.now() - performance.now();

/** The time of the machine, immune to its clock being set while the process runs. */
export const systemClock: Clock = {
  now: () => startedAt + performance.now(),
  schedule(delay, fire) {
    const timer = setTimeout(fire, delay);
    return () => clearTimeout(timer);
  },
};
