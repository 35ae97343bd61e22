import type { Random } from '../random.js';

/** Something that is given bytes which nobody would send in good faith. */
export interface FuzzTarget {
  readonly name: string;
  /** Draws an input; the same for the same random numbers. */
  generate(random: Random): Buffer;
  /** Takes an input; throws when something comes of it that must not. */
  run(input: Buffer): void | Promise<void>;
}

/** Throws when something that always holds does not. */
export function check(holds: boolean, otherwise: string): asserts holds {
  if (!holds) throw new Error(otherwise);
}

/** The value of a call, or undefined when it refuses in one of the ways that it may. */
export function refused<T>(call: () => T, may: (error: unknown) => boolean): T | undefined {
  try {
    return call();
  } catch (error) {
    if (may(error)) return undefined;
    throw error;
  }
}
