import type { Random } from '../random.js';

/**
 * The wait before the first try again, and how waits grow; short, because nodes that belong together are often started
 * together. However long a peer is away, it is found again after a quarter more of that time.
 */
const FIRST = 50;
const FACTOR = 1.25;
/** A Go node's longest wait (reference: mesh, 1.4). */
const LONGEST = 20_000;
/** A link that lasted this long was a success; one that ended sooner counts as another failure. */
export const SUCCESS = 5000;

/**
 * How long to wait before a dial is tried again, after `failures` of them in a row, in milliseconds. A fifth of it is left
 * to chance, so that those who lost the same node do not all come back to it at once.
 */
export function redialDelay(failures: number, random: Random): number {
  const delay = Math.min(LONGEST, FIRST * FACTOR ** Math.max(0, failures - 1));
  return Math.round(delay * (0.8 + random(200) / 1000));
}
