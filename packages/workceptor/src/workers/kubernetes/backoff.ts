import { setTimeout as sleep } from 'node:timers/promises';

const LONGEST_MS = 300_000;

/**
 * How long to wait before the next try: `first`, `first`, 2, 3, 5, 8 … times `first`, at most five minutes, and up
 * to a fifth more or less, so that many units do not knock at the same moment.
 * @param failures how many tries have failed, at least 1
 */
export function backoffMs(failures: number, first: number, random: () => number = Math.random): number {
  let [previous, current] = [0, 1];
  for (let i = 1; i < failures && current * first < LONGEST_MS; i++) {
    [previous, current] = [current, previous + current];
  }
  return Math.min(current * first, LONGEST_MS) * (0.8 + 0.4 * random());
}

/** Waits; rejects when the signal ends it. The timer keeps no process alive. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal, ref: false });
}
