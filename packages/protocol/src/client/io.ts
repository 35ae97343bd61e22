import type { Duplex, Readable, Writable } from 'node:stream';
import { ReceptorError } from '../errors.js';

/** The error of an operation that its signal ended; a reason of our own says why. */
export function aborted(signal: AbortSignal): ReceptorError {
  const { reason } = signal;
  if (reason instanceof ReceptorError && reason.code === 'RECEPTOR_ABORTED') return reason;
  return new ReceptorError('RECEPTOR_ABORTED', 'the operation was aborted', { cause: reason });
}

/** Waits for the first of the events; `signal` and `timeoutMs` end the wait too. False when the time was up. */
function firstOf(
  stream: Duplex | Readable | Writable,
  events: readonly string[],
  options: { signal?: AbortSignal; timeoutMs?: number } = {},
): Promise<boolean> {
  return new Promise((resolve) => {
    let timer: NodeJS.Timeout | undefined;
    const settle = (inTime: boolean): void => {
      clearTimeout(timer);
      for (const event of events) stream.off(event, onEvent);
      options.signal?.removeEventListener('abort', onEvent);
      resolve(inTime);
    };
    const onEvent = (): void => settle(true);
    if (options.signal?.aborted) return resolve(true);
    for (const event of events) stream.on(event, onEvent);
    options.signal?.addEventListener('abort', onEvent);
    if (options.timeoutMs !== undefined) timer = setTimeout(settle, options.timeoutMs, false);
  });
}

/** Waits until there is something to read, or the stream has ended. False when `timeoutMs` passed first. */
export function readable(stream: Readable, timeoutMs?: number): Promise<boolean> {
  return firstOf(stream, ['readable', 'end', 'error', 'close'], timeoutMs === undefined ? {} : { timeoutMs });
}

/** Waits until the stream takes more, is closed, or the signal says stop. */
export async function drained(stream: Writable, signal: AbortSignal): Promise<void> {
  if (stream.destroyed || !stream.writableNeedDrain) return;
  await firstOf(stream, ['drain', 'error', 'close'], { signal });
}

/** Waits until all that was written is out of this process, the stream is closed, or the signal says stop. */
export async function flushed(stream: Writable, signal: AbortSignal): Promise<void> {
  if (stream.destroyed || stream.writableFinished) return;
  await firstOf(stream, ['finish', 'error', 'close'], { signal });
}

/** The promise's outcome, or undefined as soon as the signal says stop. Leaves no listener behind. */
export function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const stop = (): void => resolve(undefined);
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
}

/** A signal that follows several; `release` takes its listeners off them. */
export function anySignal(signals: readonly (AbortSignal | undefined)[]): {
  signal: AbortSignal;
  release(): void;
} {
  const controller = new AbortController();
  const follow = (event: Event): void => controller.abort((event.target as AbortSignal).reason);
  const release = (): void => {
    for (const signal of signals) signal?.removeEventListener('abort', follow);
  };
  for (const signal of signals) {
    if (signal?.aborted) controller.abort(signal.reason);
    signal?.addEventListener('abort', follow, { once: true });
  }
  return { signal: controller.signal, release };
}

/** A signal that aborts `ms` milliseconds after `start` did, or after now where there is none. */
export function deadline(ms: number, start?: AbortSignal): { signal: AbortSignal; release(): void } {
  const controller = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const begin = (): void => {
    timer = setTimeout(() => controller.abort(), ms);
  };
  if (start === undefined || start.aborted) begin();
  else start.addEventListener('abort', begin, { once: true });
  return {
    signal: controller.signal,
    release() {
      clearTimeout(timer);
      start?.removeEventListener('abort', begin);
    },
  };
}
