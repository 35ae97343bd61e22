import type { Duplex } from 'node:stream';
import { ReceptorError } from '../errors.js';
import { aborted, readable } from './io.js';

/** Does work on a stream that an abort, or an error of the work, destroys. */
export async function guarded<T>(
  stream: Duplex,
  signal: AbortSignal | undefined,
  work: () => Promise<T>,
): Promise<T> {
  const onAbort = (): void => void stream.destroy();
  if (signal?.aborted) stream.destroy();
  signal?.addEventListener('abort', onAbort);
  try {
    return await work();
  } catch (error) {
    stream.destroy();
    throw signal?.aborted ? aborted(signal) : error;
  } finally {
    signal?.removeEventListener('abort', onAbort);
  }
}

/**
 * Reads up to the next newline; what follows stays in the stream.
 * @throws ReceptorError `RECEPTOR_CONNECTION_LOST`, or `RECEPTOR_PROTOCOL` for a line of more than `limit` bytes.
 */
export async function readLine(stream: Duplex, limit: number): Promise<string> {
  const parts: Buffer[] = [];
  let length = 0;
  for (;;) {
    const chunk = stream.read() as Buffer | null;
    if (chunk === null) {
      if (stream.destroyed || stream.readableEnded) throw lost(stream);
      await readable(stream);
      continue;
    }
    const end = chunk.indexOf(10);
    parts.push(end < 0 ? chunk : chunk.subarray(0, end));
    length += end < 0 ? chunk.length : end;
    if (length > limit) throw new ReceptorError('RECEPTOR_PROTOCOL', `a reply is longer than ${limit} bytes`);
    if (end < 0) continue;
    // At once: after the stream's end nothing could be put back.
    if (end + 1 < chunk.length) stream.unshift(chunk.subarray(end + 1));
    return Buffer.concat(parts).toString().replace(/\r$/, '');
  }
}

/** The error of a connection that ended too early. */
export function lost(stream: Duplex): ReceptorError {
  return new ReceptorError(
    'RECEPTOR_CONNECTION_LOST',
    'the connection to the control service ended before the reply was complete',
    stream.errored ? { cause: stream.errored } : {},
  );
}
