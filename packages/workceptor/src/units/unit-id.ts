import { randomInt } from 'node:crypto';

const ALPHABET = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';
const LENGTH = 8;

/** Draws a unit ID: 8 characters of `0-9a-zA-Z`, each equally likely, from the cryptographic generator. */
export function randomUnitId(): string {
  let id = '';
  while (id.length < LENGTH) id += ALPHABET[randomInt(ALPHABET.length)];
  return id;
}

/** Whether a text can be a unit ID, and so may become part of a path. */
export function isUnitId(text: string): boolean {
  return /^[A-Za-z0-9]{1,64}$/.test(text);
}
