import type { Readable, Writable } from 'node:stream';
import { ReceptorError } from '../errors.js';
import { drained, unlessAborted } from './io.js';

/** What a work unit gets on its standard input. A `path` names a file, read while it is sent. */
export type Payload =
  | string
  | Uint8Array
  | Readable
  | AsyncIterable<Uint8Array | string>
  | Iterable<Uint8Array | string>
  | { path: string };

/** A payload that is being read. */
export interface OpenPayload {
  next(): Promise<IteratorResult<Uint8Array | string, unknown>>;
  /** Lets go of it, wherever it is. */
  close(): void;
}

const PIECE = 65_536;

function failed(cause: unknown): ReceptorError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new ReceptorError('RECEPTOR_PAYLOAD', `could not read the payload: ${why}`, { cause });
}

/**
 * Makes a payload ready: a file is opened, so that one that is missing is noticed before a unit exists.
 * @throws ReceptorError `RECEPTOR_PAYLOAD`.
 */
export async function openPayload(payload: Payload): Promise<OpenPayload> {
  if (typeof payload === 'string' || payload instanceof Uint8Array)
    return fromIterable(pieces(Buffer.from(payload)));
  if (Symbol.asyncIterator in payload) return fromIterable(payload);
  if (Symbol.iterator in payload) return fromIterable(payload);
  try {
    const { open } = await import('node:fs/promises');
    const file = await open(payload.path);
    return fromIterable(file.createReadStream({ highWaterMark: PIECE * 4 }));
  } catch (cause) {
    throw failed(cause);
  }
}

function* pieces(bytes: Buffer): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += PIECE) yield bytes.subarray(at, at + PIECE);
}

type Pieces = AsyncIterable<Uint8Array | string> | Iterable<Uint8Array | string>;

function fromIterable(items: Pieces): OpenPayload {
  const source = Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]();
  return {
    next: async () => source.next(),
    close() {
      // A stream lets go at once; a generator only when what it waits for has come, which nobody waits for here.
      if ('destroy' in items && typeof items.destroy === 'function') items.destroy();
      else void (async () => source.return?.())().catch(() => {});
    },
  };
}

/**
 * Writes a payload no faster than it is taken.
 * @param stop ends it early.
 * @param onProgress called with the number of bytes taken so far.
 * @returns whether the payload was written whole.
 * @throws ReceptorError `RECEPTOR_PAYLOAD` when its source fails.
 */
export async function writePayload(
  stream: Writable,
  source: OpenPayload,
  stop: AbortSignal,
  onProgress?: (bytes: number) => void,
): Promise<boolean> {
  let sent = 0;
  for (;;) {
    const next = await unlessAborted(source.next(), stop).catch((cause: unknown) => {
      throw failed(cause);
    });
    if (next === undefined || stop.aborted || stream.destroyed) return false;
    if (next.done) return true;
    const { value } = next;
    if (typeof value !== 'string' && !(value instanceof Uint8Array))
      throw failed(new TypeError('a piece of it is neither text nor bytes'));
    const bytes = typeof value === 'string' ? Buffer.from(value) : value;
    if (!stream.write(bytes)) await drained(stream, stop);
    if (stop.aborted || stream.destroyed) return false;
    sent += bytes.length;
    onProgress?.(sent);
  }
}
