import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { pythonFileError } from './errno.js';
import { Failure } from './failure.js';
import type { Output } from './output.js';

/** The options that say what a unit is given to read. Empty texts count as absent. */
export interface PayloadChoice {
  readonly payload: string | undefined;
  readonly payloadLiteral: string | undefined;
  readonly noPayload: boolean;
}

/** Large enough that reading a file costs little beside sending it. */
const CHUNK = 256 * 1024;

/**
 * Checks that exactly one payload is chosen.
 * @throws Failure when none or several are
 */
export function checkPayloadChoice({ payload, payloadLiteral, noPayload }: PayloadChoice): void {
  const chosen = [payload, payloadLiteral, noPayload].filter(Boolean).length;
  if (chosen < 1) throw new Failure(1, 'Must provide one of --payload, --no-payload or --payload-literal.');
  if (chosen > 1) {
    throw new Failure(1, 'Cannot provide more than one of --payload, --no-payload and --payload-literal.');
  }
}

/** A payload that can be sent. */
export interface OpenPayload {
  readonly source: Buffer | Readable;
  /** Whether it may take a while, so that a person wants to see how far it is. */
  readonly slow: boolean;
  /** Bytes to expect, where that is known. */
  readonly size?: number | undefined;
}

/**
 * Opens the chosen payload.
 * @returns its stream is the caller's to read or destroy
 * @throws Failure when the file cannot be read
 */
export async function openPayload(choice: PayloadChoice, { streams }: Output): Promise<OpenPayload> {
  const { payload, payloadLiteral } = choice;
  if (payloadLiteral) return { source: Buffer.from(`${payloadLiteral}\n`), slow: false };
  if (!payload) return { source: Buffer.alloc(0), slow: false };
  // Who types a payload sees how far it is.
  if (payload === '-') return { source: streams.stdin, slow: !streams.stdin.isTTY };
  try {
    return { source: await openFile(payload), slow: true, size: await sizeOf(payload) };
  } catch (cause) {
    throw new Failure(1, `Failed to load payload file: ${pythonFileError(cause, payload)}`, { cause });
  }
}

/** Opens a file at once, so that one that cannot be read is reported before there is a unit. */
async function openFile(path: string): Promise<Readable> {
  const stream = createReadStream(path, { highWaterMark: CHUNK });
  await new Promise((resolve, reject) =>
    stream.once('ready', () => resolve(undefined)).once('error', reject),
  );
  return stream;
}

/** Bytes to expect; a pipe has no size, and a directory no bytes at all. */
async function sizeOf(path: string): Promise<number | undefined> {
  const stats = await stat(path);
  if (stats.isDirectory()) throw Object.assign(new Error('directory'), { code: 'EISDIR', errno: -21 });
  return stats.isFile() ? stats.size : undefined;
}
