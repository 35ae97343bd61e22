import { type Duplex, Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { ReceptorError } from '../errors.js';
import { isComplete, type UnitReport } from '../unit.js';
import { aborted, anySignal, readable } from './io.js';
import { lost } from './lines.js';

/** How results are read. */
export interface ResultsOptions {
  /** Bytes of output to leave out; default 0. */
  startPos?: number;
  signature?: string;
  signal?: AbortSignal;
  /** How often in a row a lost connection is made again without a byte or an answer; default 10. */
  attempts?: number;
  /** Milliseconds before the first of them, doubled each time up to 5 s; default 100. */
  retryDelayMs?: number;
  /** After how many milliseconds without output the unit is asked whether there is any more; default 10 s. */
  quietMs?: number;
}

/** What reading results needs of a client. */
export interface ResultsSource {
  open(startPos: number, signal: AbortSignal): Promise<Duplex>;
  status(signal: AbortSignal): Promise<UnitReport>;
}

const MAX_DELAY_MS = 5_000;

/**
 * A unit's output, live: a Readable of bytes, and so an async iterable too. It ends when the unit's status says that the
 * unit is complete and all its output was delivered; a connection that drops meanwhile is made again, from the byte it
 * had reached. It fails with a ReceptorError otherwise, so an end is never a loss.
 */
export class ResultStream extends Readable {
  readonly #pieces: AsyncGenerator<Buffer>;
  readonly #stop = new AbortController();
  readonly #signal: { signal: AbortSignal; release(): void };
  #unit: UnitReport | undefined;

  /** @internal Made by `ReceptorClient.results`; `closing` is the end of the client. */
  constructor(source: ResultsSource, options: ResultsOptions, closing?: AbortSignal) {
    super();
    this.#signal = anySignal([this.#stop.signal, options.signal, closing]);
    this.#pieces = follow(source, options, this.#signal.signal, (unit) => {
      this.#unit = unit;
    });
    // An abort is an error to whoever reads, even while nobody does.
    const { signal } = this.#signal;
    const onAbort = (): void => void this.destroy(aborted(signal));
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  }

  /** The unit as it was when its output was complete; undefined until the end. */
  get unit(): UnitReport | undefined {
    return this.#unit;
  }

  override _read(): void {
    this.#pieces.next().then(
      ({ done, value }) => this.push(done ? null : value),
      (error: Error) => this.destroy(error),
    );
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    this.#stop.abort();
    this.#signal.release();
    this.#pieces.return(undefined).then(
      () => callback(error),
      () => callback(error),
    );
  }
}

async function* follow(
  source: ResultsSource,
  options: ResultsOptions,
  signal: AbortSignal,
  onComplete: (unit: UnitReport) => void,
): AsyncGenerator<Buffer> {
  const { attempts = 10, retryDelayMs = 100, quietMs = 10_000 } = options;
  let position = options.startPos ?? 0;
  let reached = false;
  let failures = 0;
  let delay = retryDelayMs;
  for (;;) {
    try {
      const stream = await source.open(position, signal);
      reached = true;
      try {
        for await (const piece of piecesOf(stream, source, () => position, quietMs, signal)) {
          position += piece.length;
          failures = 0;
          delay = retryDelayMs;
          yield piece;
        }
      } finally {
        stream.destroy();
      }
      const unit = await source.status(signal);
      if (isComplete(unit.State) && position >= unit.StdoutSize) return onComplete(unit);
      if (!isComplete(unit.State)) failures = 0;
      else if (++failures >= attempts)
        throw new ReceptorError(
          'RECEPTOR_PROTOCOL',
          `the results ended at ${position} of ${unit.StdoutSize} bytes, again and again`,
        );
    } catch (error) {
      if (signal.aborted) throw aborted(signal);
      if (!reached || !isLoss(error)) throw error;
      if (++failures >= attempts)
        throw new ReceptorError(
          'RECEPTOR_CONNECTION_LOST',
          `the results broke off at byte ${position}, and could not be resumed: ${error.message}`,
          { cause: error },
        );
    }
    await sleep(delay, undefined, { signal }).catch(() => {});
    if (signal.aborted) throw aborted(signal);
    delay = Math.min(delay * 2, MAX_DELAY_MS);
  }
}

/**
 * What one connection delivers. While it is quiet the unit is asked now and then: the Go daemon never ends the results
 * of a cancelled unit, and a dead connection can look like a quiet one.
 */
async function* piecesOf(
  stream: Duplex,
  source: ResultsSource,
  position: () => number,
  quietMs: number,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  const onAbort = (): void => void stream.destroy();
  signal.addEventListener('abort', onAbort);
  let behindMs = 0;
  try {
    for (;;) {
      const piece = stream.read() as Buffer | null;
      if (piece !== null) {
        behindMs = 0;
        yield piece;
        continue;
      }
      if (stream.readableEnded) return;
      if (stream.destroyed) throw lost(stream);
      if (await readable(stream, quietMs)) continue;
      const unit = await source.status(signal);
      if (unit.StdoutSize > position()) {
        behindMs += quietMs;
        // A daemon that polls its files is late at times; only a longer silence means a dead connection.
        if (behindMs > Math.max(quietMs, MAX_DELAY_MS)) return;
      } else if (isComplete(unit.State)) return;
    }
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

function isLoss(error: unknown): error is ReceptorError {
  return (
    error instanceof ReceptorError &&
    (error.code === 'RECEPTOR_CONNECTION_LOST' || error.code === 'RECEPTOR_CONNECT_FAILED')
  );
}
