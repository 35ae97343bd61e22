import type { IncomingMessage } from 'node:http';
import type { Logger } from '../../../logger.js';
import { ApiError, type KubernetesApi } from '../api.js';
import { aborted, Backoff, delay } from './clock.js';
import type { LogHead } from './log-head.js';
import type { LogOrder } from './log-place.js';
import { type LogCursor, LogReader, sinceCursor } from './log-reader.js';
import { type LogTail, readTail } from './log-tail.js';
import { CarriageHold } from './normalise.js';
import { parseStamp, sinceTime } from './stamp.js';
import type { Clock } from './types.js';

/** A silent stream is opened anew after this: connections that carry nothing are forgotten by what lies between. */
const REFRESH_MS = 300_000;
/** Silence in which the cursor's line should have come. */
const SEEK_QUIET_MS = 2_000;
/** Silence of a followed log after which a container that has ended is read for the last time. */
const LAST_QUIET_MS = 1_000;
/** How often a log that cannot be read though the container has ended is asked for. */
const LAST_TRIES = 6;

/** Why the log is not read any more. `gone`: there is no such pod. */
export type LogFailure = 'gone' | 'refused' | 'unreachable';

/** What a {@link LogSource} tells; `id` is that of the order it is about. */
export interface LogEvents {
  ready(ready: boolean): void;
  content(bytes: Buffer, cursor: LogCursor | undefined): void;
  lost(): void;
  /** The container has ended, and this is the end of the log; undefined where it could not be read. */
  tail(id: number, tail: LogTail | undefined): void;
  /** The container has ended and the log was read to its end. */
  end(id: number): void;
  failed(failure: LogFailure, error: Error): void;
}

export interface LogSourceOptions {
  readonly api: KubernetesApi;
  /** Path of the log. */
  readonly path: string;
  readonly container: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly patience: number;
  /** Told what may show that the log has lost its beginning. */
  readonly head: LogHead;
  readonly events: LogEvents;
}

type ReadingOrder = Exclude<LogOrder, { kind: 'park' | 'hold' | 'tail' }>;

/** Reads a container's log as it is ordered to, over as many connections as that takes. */
export class LogSource {
  /** What ends the reading of the log, while that goes on. */
  private current: AbortController | undefined;
  /** What ends the reading of its last entries. */
  private tail: AbortController | undefined;
  /** The order that is carried out. */
  private order = -1;
  /** Ordered not to read for now, but to keep the stream. */
  private held = false;
  private letGo: (() => void) | undefined;
  private response: IncomingMessage | undefined;
  private paused = false;
  private containerEnded = false;
  private lastAnswer: number;
  private readonly running = new Set<Promise<void>>();
  private wake: (() => void) | undefined;
  private end: () => void = () => {};
  private readonly ended = new Promise<void>((resolve) => {
    this.end = resolve;
  });

  constructor(private readonly options: LogSourceOptions) {
    this.lastAnswer = options.clock.now();
  }

  /** Ends what is read now and does as ordered. */
  obey(order: LogOrder): void {
    this.options.events.ready(false);
    this.order = order.id;
    this.hold(order.kind === 'hold' || order.kind === 'tail');
    this.tail?.abort();
    if (order.kind === 'hold' || (order.kind === 'release' && this.current)) return;
    const control = new AbortController();
    if (order.kind === 'tail') {
      this.tail = control;
      this.start(this.readTail(order.id, order.lines, control.signal));
      return;
    }
    this.current?.abort();
    if (order.kind === 'park') return;
    this.current = control;
    this.start(this.run(order, control.signal));
  }

  private start(work: Promise<void>): void {
    const run = work.finally(() => this.running.delete(run));
    this.running.add(run);
  }

  /** Stops or goes on reading; the connection stays. */
  pause(paused: boolean): void {
    const before = this.stopped;
    this.paused = paused;
    this.changeFrom(before);
  }

  private hold(held: boolean): void {
    const before = this.stopped;
    this.held = held;
    if (!held) this.letGo?.();
    this.changeFrom(before);
  }

  private get stopped(): boolean {
    return this.paused || this.held;
  }

  private changeFrom(before: boolean): void {
    if (this.stopped === before) return;
    if (this.stopped) this.response?.pause();
    else this.response?.resume();
    this.wake?.();
  }

  /** Resolves as soon as the log is not held. */
  private async untilLetGo(signal: AbortSignal): Promise<void> {
    if (!this.held) return;
    await new Promise<void>((resolve) => {
      this.letGo = resolve;
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
  }

  /** The container has ended: the log is read to its end, and that is that. */
  endContainer(): void {
    this.containerEnded = true;
    this.end();
    this.wake?.();
  }

  /** Ends everything; resolves when nothing is left of it. */
  async stop(): Promise<void> {
    this.current?.abort();
    this.tail?.abort();
    await Promise.all(this.running);
  }

  private async readTail(id: number, lines: number, signal: AbortSignal): Promise<void> {
    const { api, container, events, path } = this.options;
    await Promise.race([this.ended, aborted(signal)]);
    if (signal.aborted) return;
    const tail = await readTail(api, { path, container, lines, signal });
    if (!signal.aborted) events.tail(id, tail);
  }

  private async run(order: ReadingOrder, signal: AbortSignal): Promise<void> {
    const { api, clock, events, head, log } = this.options;
    const reader = new LogReader('cursor' in order ? order.cursor : undefined);
    const hold = new CarriageHold();
    const backoff = new Backoff();
    let how: 'resume' | 'after' | 'next' | 'fresh' =
      order.kind === 'after' ? 'after' : 'cursor' in order ? 'resume' : 'fresh';
    let lastTries = 0;
    while (!signal.aborted) {
      const follow = !this.containerEnded;
      let wait: number;
      try {
        const since = reader.cursor
          ? sinceCursor(reader.cursor)
          : order.kind === 'near'
            ? sinceTime(order.time)
            : undefined;
        const { container, path } = this.options;
        const query = { container, follow, timestamps: true, sinceTime: since };
        const response = await api.stream({ path, query, signal });
        this.lastAnswer = clock.now();
        const opened = Date.parse(response.headers.date ?? '') || undefined;
        reader.begin(how, opened);
        if (!reader.cursor && since === undefined) head.onLogOpened(clock.now(), opened);
        const read = await this.read(response, reader, hold, follow, signal);
        head.onLogClosed(clock.now());
        // What becomes of a stream while it is held is of interest later.
        await this.untilLetGo(signal);
        if (signal.aborted) return;
        events.ready(false);
        for (const text of reader.foreign) log.warning(`The log of the pod says: ${printable(text)}`);
        if (reader.state === 'lost') {
          if (how === 'resume' && reader.nextFile) {
            how = 'next';
            continue;
          }
          this.current = undefined;
          events.lost();
          return;
        }
        if (reader.cursor && reader.state !== 'next') how = 'resume';
        if (reader.state === 'doubtful') continue;
        if (read.bytes > 0) backoff.reset();
        if (!follow && read.complete && read.bytes === 0) {
          if (reader.foreign.length === 0 || ++lastTries >= LAST_TRIES) {
            const rest = hold.end();
            if (rest.length > 0) events.content(rest, reader.cursor);
            this.current = undefined;
            events.end(this.order);
            return;
          }
        }
        wait = read.refresh || read.bytes > 0 ? 0 : backoff.take();
      } catch (error) {
        if (signal.aborted) return;
        const failure = this.judge(error, ++lastTries);
        if (failure) {
          this.current = undefined;
          events.failed(failure, error as Error);
          return;
        }
        log.debug(`The log of the pod could not be read, trying again: ${(error as Error).message}`);
        wait = backoff.take(error instanceof ApiError ? error.retryAfterMs : undefined);
      }
      if (wait > 0) await delay(clock, wait, signal);
      await this.untilLetGo(signal);
    }
  }

  /** Whether an error is the end of it. */
  private judge(error: unknown, lastTries: number): LogFailure | undefined {
    if (error instanceof ApiError) {
      if (error.status === 404) return 'gone';
      if (error.status === 403) return 'refused';
      // 400: the container does not run yet; or, when it has ended, its log is gone.
      if (error.status === 400 && this.containerEnded && lastTries >= LAST_TRIES) return 'gone';
    }
    return this.options.clock.now() - this.lastAnswer > this.options.patience ? 'unreachable' : undefined;
  }

  /** Reads one stream to its end, or until it is to be opened anew. */
  private read(
    response: IncomingMessage,
    reader: LogReader,
    hold: CarriageHold,
    follow: boolean,
    signal: AbortSignal,
  ): Promise<{ bytes: number; complete: boolean; refresh: boolean }> {
    const { clock, events, head } = this.options;
    return new Promise((resolve) => {
      let bytes = 0;
      let refresh = false;
      let lastData = clock.now();
      let cancelTimer = () => {};
      const tell = () => events.ready(!this.stopped && reader.state === 'flowing');
      const renew = () => {
        refresh = true;
        response.destroy();
      };
      const check = () => {
        cancelTimer();
        const silent = this.stopped ? 0 : clock.now() - lastData;
        if (reader.state === 'seeking' && silent >= SEEK_QUIET_MS) reader.settle();
        if (reader.state === 'lost') return response.destroy();
        if (follow && this.containerEnded && silent >= LAST_QUIET_MS) return renew();
        if (follow && silent >= REFRESH_MS) return renew();
        const soon = reader.state === 'seeking' || this.containerEnded;
        cancelTimer = clock.after(soon ? 250 : 10_000, check);
      };
      const abort = () => response.destroy();
      signal.addEventListener('abort', abort, { once: true });
      this.response = response;
      this.wake = () => {
        lastData = clock.now();
        tell();
        check();
      };
      response.on('data', (chunk: Buffer) => {
        lastData = clock.now();
        this.lastAnswer = lastData;
        const content = hold.push(reader.push(chunk, lastData));
        if (signal.aborted) return;
        tell();
        if (content.length > 0) {
          bytes += content.length;
          if (!head.settled)
            head.onLines(reader.first, parseStamp(reader.cursor?.stamp ?? ''), content.length);
          events.content(content, behind(reader.cursor, hold.size));
        }
        if (reader.state === 'lost' || reader.state === 'doubtful') response.destroy();
      });
      response.on('error', () => {}); // `close` follows
      response.on('close', () => {
        signal.removeEventListener('abort', abort);
        cancelTimer();
        if (this.response === response) {
          this.response = undefined;
          this.wake = undefined;
        }
        // A stream that was cut before it came to the cursor's line says nothing about that line.
        reader.end(response.complete, !follow);
        resolve({ bytes, complete: response.complete, refresh });
      });
      if (signal.aborted) return abort();
      if (this.stopped) response.pause();
      tell();
      check();
    });
  }
}

/** The cursor before carriage returns that were read but are held back. */
function behind(cursor: LogCursor | undefined, held: number): LogCursor | undefined {
  return cursor && held > 0 ? { ...cursor, taken: cursor.taken - held } : cursor;
}

function printable(text: string): string {
  // What looks like a message of the kubelet is told; anything else may be output, which is nobody else's business.
  return /^(unable|failed|error|container|rpc)\b/i.test(text)
    ? text
    : `${text.length} bytes without a time stamp`;
}
