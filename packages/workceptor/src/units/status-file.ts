import { closeSync, fdatasync, fsync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { UnitStatus, WorkState } from '@receptor/protocol';

/** Name of the status file in a unit's directory (reference: work, 1.1). */
export const STATUS_FILE = 'status';
/** What the name of a file in preparation has in addition; whatever a crash leaves there is worthless. */
const ASIDE = '.new';

// Reading or writing a few hundred bytes in the page cache takes microseconds, less than it takes to hand that to a thread; only
// what waits for the disk goes to one.
const syncFile = promisify(fsync);
const syncData = promisify(fdatasync);

/** A Go runner truncates the file before it writes: an empty or half file is read again this often, this far apart. */
const READ_ATTEMPTS = 20;
const READ_RETRY_MS = 10;

/** The bytes of a status file: compact JSON with Go's escapes, and a newline. */
export function encodeStatus(status: UnitStatus): string {
  const { State, Detail, StdoutSize, WorkType, ExtraData } = status;
  const json = JSON.stringify({ State, Detail, StdoutSize, WorkType, ExtraData: ExtraData ?? null });
  const escaped = json.replace(
    /[<>&\u2028\u2029]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return `${escaped}\n`;
}

/**
 * Reads the text of a status file; a member that is absent takes its zero value, as with Go.
 * @throws SyntaxError when it is not JSON or a member has the wrong type.
 */
export function decodeStatus(text: string): UnitStatus {
  const value: unknown = JSON.parse(text);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new SyntaxError('status is not a JSON object');
  }
  const {
    State = 0,
    Detail = '',
    StdoutSize = 0,
    WorkType = '',
    ExtraData = null,
  } = value as Record<string, unknown>;
  if (!Number.isInteger(State)) throw new SyntaxError('State of the status is not an integer');
  if (!Number.isSafeInteger(StdoutSize)) throw new SyntaxError('StdoutSize of the status is not an integer');
  if (typeof Detail !== 'string') throw new SyntaxError('Detail of the status is not a string');
  if (typeof WorkType !== 'string') throw new SyntaxError('WorkType of the status is not a string');
  return { State: State as WorkState, Detail, StdoutSize: StdoutSize as number, WorkType, ExtraData };
}

/**
 * Reads a unit's status. An empty or half file, as another process may leave it for a moment, is read again.
 * @throws the error of the file system, or SyntaxError when the file stays unreadable.
 */
export async function readStatus(directory: string): Promise<UnitStatus> {
  for (let attempt = 1; ; attempt++) {
    const text = readFileSync(join(directory, STATUS_FILE), 'utf8');
    try {
      return decodeStatus(text);
    } catch (error) {
      if (attempt === READ_ATTEMPTS) throw error;
    }
    await delay(READ_RETRY_MS);
  }
}

/**
 * Writes the first status of a new unit, durably, and with it the entries of the new directory and file: the journals
 * of file systems keep the order. Nothing reads it before it is whole, because nobody knows the ID yet.
 */
export async function createStatus(directory: string, status: UnitStatus): Promise<void> {
  await withFile(join(directory, STATUS_FILE), 'wx', async (file) => {
    writeFileSync(file, encodeStatus(status));
    await syncFile(file);
  });
}

/**
 * Replaces a unit's status atomically.
 * @param durable whether it must outlast a loss of power, not only the end of the process.
 */
export async function replaceStatus(directory: string, status: UnitStatus, durable: boolean): Promise<void> {
  await replaceFile(directory, STATUS_FILE, encodeStatus(status), durable);
}

/** Replaces a small file atomically, and durably where that is asked for. */
export async function replaceFile(
  directory: string,
  name: string,
  text: string,
  durable: boolean,
): Promise<void> {
  const aside = join(directory, name + ASIDE);
  await withFile(aside, 'w', async (file) => {
    writeFileSync(file, text);
    if (durable) await syncData(file);
  });
  renameSync(aside, join(directory, name));
  if (durable) await withFile(directory, 'r', syncFile);
}

async function withFile(path: string, flags: string, use: (file: number) => Promise<void>): Promise<void> {
  const file = openSync(path, flags, 0o600);
  try {
    await use(file);
  } finally {
    closeSync(file);
  }
}
