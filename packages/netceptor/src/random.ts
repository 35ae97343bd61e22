import { randomInt } from 'node:crypto';

/** A whole number from 0 up to, but not including, `below`; a simulation brings a repeatable one. */
export type Random = (below: number) => number;

/** Random numbers nobody can guess. */
export const secureRandom: Random = (below) => randomInt(below);

const LETTERS = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';

/** A name of 8 letters and digits, as ephemeral services and routing updates have (reference: mesh, 4.1 and 5.1). */
export function randomName(random: Random): string {
  let name = '';
  for (let i = 0; i < 8; i++) name += LETTERS[random(LETTERS.length)];
  return name;
}

/** The epoch of a node that starts now: seconds since 1970 times 2^24, plus 24 random bits (reference: mesh, 4.1). */
export function newEpoch(now: number, random: Random): bigint {
  return (BigInt(Math.floor(now / 1000)) << 24n) + BigInt(random(2 ** 24));
}
