import { readlinkSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { ReceptorError } from '@receptor/protocol';

/** Where a unit's directory has the name of its submit: a link that leads nowhere, which is there whole or not at all. */
export const KEY_LINK = 'idempotency-key';
const FORM = /^[A-Za-z0-9_.:-]{16,128}$/;

/** Checks the name of a submit. @throws ReceptorError `RECEPTOR_BAD_COMMAND` */
export function checkKey(key: string): void {
  if (FORM.test(key)) return;
  throw new ReceptorError(
    'RECEPTOR_BAD_COMMAND',
    'idempotencykey must be 16 to 128 letters, digits, or any of _ . : -',
  );
}

/** Writes the name of a submit into a unit's directory; what syncs the status file syncs it too. */
export function writeKey(directory: string, key: string): void {
  symlinkSync(key, join(directory, KEY_LINK));
}

function readKey(directory: string): string | undefined {
  try {
    return readlinkSync(join(directory, KEY_LINK));
  } catch {
    return undefined;
  }
}

/** The units whose submits have names, so that a submit that comes again makes no second unit. */
export class SubmitKeys {
  readonly #units = new Map<string, string>();
  readonly #keys = new Map<string, string>();
  readonly #turns = new Map<string, Promise<unknown>>();

  /** The ID of the unit whose submit had the name. */
  unitOf(key: string): string | undefined {
    return this.#units.get(key);
  }

  add(key: string, id: string): void {
    this.#units.set(key, id);
    this.#keys.set(id, key);
  }

  /** Takes up what the directory of a unit says. */
  load(directory: string, id: string): void {
    const key = readKey(directory);
    if (key !== undefined) this.add(key, id);
  }

  /** The unit is gone. */
  forget(id: string): void {
    const key = this.#keys.get(id);
    if (key === undefined) return;
    this.#keys.delete(id);
    if (this.#units.get(key) === id) this.#units.delete(key);
  }

  /** Lets the submits of one name go one after the other. */
  inTurn<T>(key: string, step: () => Promise<T>): Promise<T> {
    const result = (this.#turns.get(key) ?? Promise.resolve()).then(step);
    const turn = result
      .catch(() => undefined)
      .then(() => {
        if (this.#turns.get(key) === turn) this.#turns.delete(key);
      });
    this.#turns.set(key, turn);
    return result;
  }
}
