import type { SubmitReply } from '@receptor/protocol';
import { errorFromReply, isErrorLine, ReceptorError } from '@receptor/protocol';
import type { Connection } from './connection.js';

/** What a unit reads on its standard input: text, bytes, or a stream of either. */
export type Payload = string | Uint8Array | AsyncIterable<string | Uint8Array>;

/** Everything about a submission but its work type. */
export interface SubmitOptions {
  /** Where to run; `localhost`, which is the default, is the node itself. */
  node?: string;
  /** Nothing, unless given. */
  payload?: Payload;
  /** Given to the work type; values are texts, `@file` is the business of `expandParameters`. */
  parameters?: Readonly<Record<string, string>>;
  /** Name of a `tls-client` of the daemon, for the way to another node. */
  tlsClient?: string;
  /** How long the start on another node may take: a Go duration. */
  ttl?: string;
  signWork?: boolean;
  signature?: string;
  /** Told the unit's ID as soon as the daemon gave it, before the payload is sent. */
  onCreated?(unitId: string): void;
  /** Told when all of the payload is on its way: from here on the unit runs, whatever becomes of the submission. */
  onSent?(unitId: string): void;
  /** Ends the submission; a unit that has only part of its payload is then released. */
  signal?: AbortSignal;
}

/**
 * Reads the first reply of a submission.
 * @throws ReceptorError what the daemon said instead of giving a unit's ID
 */
export async function readUnitId(connection: Connection): Promise<string> {
  const line = await connection.readLine();
  const unitId = /^Work unit created with ID (.+)\. Send stdin data and EOF\.$/.exec(line)?.[1];
  if (unitId !== undefined) return unitId;
  if (isErrorLine(line)) throw errorFromReply(line);
  throw new ReceptorError('RECEPTOR_PROTOCOL', `unexpected reply to a submission: ${line.slice(0, 200)}`);
}

/**
 * Sends a payload, never faster than the daemon takes it. A signal ends the wait for its next piece or for room;
 * the connection itself stays open.
 */
export async function sendPayload(
  connection: Connection,
  payload: Payload,
  signal: AbortSignal,
): Promise<void> {
  signal.throwIfAborted();
  if (typeof payload === 'string' || payload instanceof Uint8Array) {
    if (payload.length > 0) await unlessAborted(connection.write(payload), signal);
    return;
  }
  const pieces = payload[Symbol.asyncIterator]();
  try {
    for (;;) {
      const piece = await unlessAborted(pieces.next(), signal);
      if (piece.done) return;
      await unlessAborted(connection.write(piece.value), signal);
    }
  } catch (error) {
    // Not awaited: a source that is stuck in next() would not return either.
    void Promise.resolve(pieces.return?.()).catch(() => {});
    throw error;
  }
}

/**
 * Reads the last reply of a submission.
 * @throws ReceptorError `RECEPTOR_WORK_START_FAILED`, or a code for what the daemon said; the unit is there then, in state Failed
 */
export async function readSubmitReply(connection: Connection, signal: AbortSignal): Promise<SubmitReply> {
  const line = await unlessAborted(connection.readLine(), signal);
  if (isErrorLine(line)) throw errorFromReply(line, 'RECEPTOR_WORK_START_FAILED');
  return JSON.parse(line);
}

/** Waits for a promise, or for the signal. */
async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  let onAbort = () => {};
  const aborted = new Promise<never>((_resolve, reject) => {
    onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort);
    if (signal.aborted) onAbort();
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
