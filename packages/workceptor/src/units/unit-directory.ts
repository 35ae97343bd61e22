import { mkdirSync, readdirSync, readFileSync, rmdirSync, statSync } from 'node:fs';
import { readdir, rm, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { type UnitStatus, WorkState } from '@receptor/protocol';
import { errorCode } from '../error-text.js';
import { makeDirectory } from '../make-directory.js';
import { createStatus, STATUS_FILE } from './status-file.js';
import { WAITING_FOR_INPUT } from './submission.js';
import { KEY_LINK, writeKey } from './submit-keys.js';
import { randomUnitId } from './unit-id.js';

/** What the first status of every unit begins with. */
const FIRST_WORDS = `{"State":${WorkState.Pending},"Detail":"${WAITING_FOR_INPUT}",`;

/**
 * Makes the directory of a new unit, and its first status in it, durably; nothing remains where that fails.
 * @param parent the node's directory; made where it is missing
 * @param key the name of the submit, if it has one
 */
export async function createUnitDirectory(
  parent: string,
  status: UnitStatus,
  key: string | undefined,
): Promise<{ id: string; directory: string }> {
  for (;;) {
    const id = randomUnitId();
    const directory = join(parent, id);
    try {
      mkdirSync(directory, { mode: 0o700 });
    } catch (error) {
      if (errorCode(error) === 'EEXIST') continue;
      if (errorCode(error) !== 'ENOENT') throw error;
      makeDirectory(parent);
      continue;
    }
    try {
      if (key !== undefined) writeKey(directory, key);
      await createStatus(directory, status);
      return { id, directory };
    } catch (error) {
      await rm(directory, { recursive: true, force: true }).catch(() => undefined);
      throw error;
    }
  }
}

/** The names of what is in the node's directory; none where there is no directory yet. */
export async function namesIn(parent: string): Promise<string[]> {
  try {
    return await readdir(parent);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  }
}

export function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}

/** Whether a process has ended while it made this directory, before the first status was whole and the ID given out. */
export function isUnborn(directory: string): boolean {
  const names = readdirSync(directory);
  if (names.some((name) => name !== STATUS_FILE && name !== KEY_LINK)) return false;
  if (!names.includes(STATUS_FILE)) return names.length > 0;
  const text = readFileSync(join(directory, STATUS_FILE), 'utf8');
  return !text.endsWith('\n') && (text.startsWith(FIRST_WORDS) || FIRST_WORDS.startsWith(text));
}

/**
 * Removes a unit's directory, which holds a few plain files as a rule; `rm` is for the exceptions. The status goes
 * last: as long as anything is there, the unit is known and can be released again.
 */
export async function removeUnitDirectory(directory: string): Promise<void> {
  const status = join(directory, STATUS_FILE);
  try {
    const others = readdirSync(directory).filter((name) => name !== STATUS_FILE);
    await Promise.all(others.map((name) => unlink(join(directory, name))));
    await unlink(status).catch(() => undefined);
    rmdirSync(directory);
  } catch {
    await rm(directory, { recursive: true, force: true });
  }
}
