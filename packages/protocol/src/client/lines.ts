import type { Duplex } from 'node:stream';
import { ReceptorError } from '../errors.js';

/** A reply longer than this is not read: it would be no reply of a Receptor. Bytes. */
const REPLY_LIMIT = 256 * 1024 * 1024;

const lost = (cause?: unknown) =>
  new ReceptorError('RECEPTOR_CONNECTION_LOST', 'the connection ended before the reply was complete', {
    cause,
  });

/** Reads a stream line by line, and leaves in it every byte that follows the last line that was asked for. */
export class LineReader {
  readonly #stream: Duplex;

  constructor(stream: Duplex) {
    this.#stream = stream;
  }

  /**
   * The next line, without its end.
   * @throws ReceptorError `RECEPTOR_CONNECTION_LOST` when the stream ends first, `RECEPTOR_PROTOCOL` when the line
   * does not end within 256 MiB.
   */
  async next(signal?: AbortSignal): Promise<string> {
    const parts: Buffer[] = [];
    let length = 0;
    for (;;) {
      const chunk = this.#stream.read() as Buffer | null;
      if (chunk === null) {
        await readable(this.#stream, signal);
        continue;
      }
      const end = chunk.indexOf(10);
      if (end >= 0) {
        if (end + 1 < chunk.length) this.#stream.unshift(chunk.subarray(end + 1));
        parts.push(chunk.subarray(0, end));
        return Buffer.concat(parts).toString();
      }
      parts.push(chunk);
      length += chunk.length;
      if (length > REPLY_LIMIT) throw new ReceptorError('RECEPTOR_PROTOCOL', 'a reply has no end');
    }
  }
}

/** Waits until the stream has something to read. */
function readable(stream: Duplex, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    if (stream.errored) return reject(lost(stream.errored));
    if (stream.readableEnded || stream.destroyed) return reject(lost());
    const done = (settle: () => void) => () => {
      stream.off('readable', onReadable);
      stream.off('end', onEnd);
      stream.off('close', onEnd);
      stream.off('error', onError);
      signal?.removeEventListener('abort', onAbort);
      settle();
    };
    const onReadable = done(resolve);
    const onEnd = done(() => reject(lost()));
    const onError = (cause: unknown) => done(() => reject(lost(cause)))();
    const onAbort = done(() => reject(aborted(signal)));
    if (signal?.aborted) return reject(aborted(signal));
    stream.on('readable', onReadable);
    stream.on('end', onEnd);
    stream.on('close', onEnd);
    stream.on('error', onError);
    signal?.addEventListener('abort', onAbort);
  });
}

/** The error of an operation whose signal was aborted. */
export function aborted(signal: AbortSignal | undefined): ReceptorError {
  return new ReceptorError('RECEPTOR_ABORTED', 'the operation was cancelled', { cause: signal?.reason });
}
