import { ReceptorError } from '@receptor/protocol';
import { ApiError } from '../api.js';
import { type AttachConnection, type AttachStatus, openAttach } from './attach.js';
import { Backoff, delay, systemClock } from './clock.js';
import { type LogFailure, LogSource } from './log-source.js';
import { Merge } from './merge.js';
import { readMark, StdinBroken, sendStdin, writeMark } from './stdin.js';
import { OutputStore } from './store.js';
import type { Clock, OutputOptions, OutputReport } from './types.js';

const TICK_MS = 50;
const SAVE_MS = 500;
const SAVE_BYTES = 4 << 20;
/** Output that waits for the disk, above which reading stops, and below which it goes on. */
const HIGH = 4 << 20;
const LOW = 1 << 20;
/** How long a container that has ended is listened to when it is silent. */
const LAST_WORDS_MS = 5_000;
/** Within this after the payload's loss the container's end explains it. */
const ENDED_GRACE_MS = 10_000;
const HOUR_MS = 3_600_000;

/**
 * Collects all that a container writes into the unit's stdout, byte for byte, and sends it its payload. Resolves when the
 * container has ended and all was read, or when it cannot be gone on with: the report says which.
 * @throws the reason of `options.signal` when that is given; errors of the unit's own files
 */
export async function collectOutput(options: OutputOptions): Promise<OutputReport> {
  options.signal.throwIfAborted();
  const collector = new Collector(options);
  try {
    return await collector.run();
  } finally {
    await collector.stop();
  }
}

class Collector {
  private readonly clock: Clock;
  private readonly own = new AbortController();
  private readonly signal: AbortSignal;
  private readonly path: string;
  private merge = new Merge();
  private store: OutputStore | undefined;
  private logSource: LogSource | undefined;
  private obeyed = -1;

  private connection: AttachConnection | undefined;
  private attachDone = false;
  private attaching: Promise<void> = Promise.resolve();
  private lastAttach = 0;
  private stdin: OutputReport['stdin'] = 'none';
  private stdinDue = false;

  private logDone = false;
  private logFailure: LogFailure | undefined;
  private endedAt: number | undefined;
  private paused = false;
  private cancelTick: (() => void) | undefined;
  private saved = { at: 0, size: 0 };
  private size = 0;
  private error: Error | undefined;
  private readonly notes: string[] = [];
  private finish: () => void = () => {};
  private readonly finished = new Promise<void>((resolve) => {
    this.finish = resolve;
  });

  constructor(private readonly options: OutputOptions) {
    this.clock = options.clock ?? systemClock;
    this.signal = AbortSignal.any([options.signal, this.own.signal]);
    const { namespace, name } = options.pod;
    this.path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(name)}`;
  }

  async run(): Promise<OutputReport> {
    const { options, clock } = this;
    const { store, start } = await OutputStore.open(options.stdoutPath, options.directory, (size) => {
      this.onWritten(size);
    });
    this.store = store;
    this.size = start.size;
    this.merge = new Merge(start);
    this.saved = { at: clock.now(), size: start.size };
    await store.save(this.merge.checkpoint, this.merge.gaps);
    await this.prepareStdin();
    let ended = false;
    void options.ended.then(() => {
      ended = true;
      this.onEnded();
    });
    this.signal.addEventListener('abort', this.finish, { once: true });
    await Promise.resolve(); // so that an end that is known already is known here
    if (ended && this.stdinDue) {
      this.stdinDue = false;
      this.stdin = 'unread';
    }
    this.logSource = new LogSource({
      api: options.api,
      path: `${this.path}/log`,
      container: options.container,
      clock,
      log: options.log,
      patience: options.patience ?? HOUR_MS,
      events: {
        ready: (ready) => this.step((now) => this.merge.onLogReady(now, ready)),
        content: (bytes, cursor) => this.step((now) => this.merge.onLog(now, bytes, cursor)),
        lost: () => this.step((now) => this.merge.onLogLost(now)),
        end: (id) =>
          this.step((now) => {
            if (id !== this.merge.order.id) return;
            this.logDone = true;
            this.merge.onLogEnd(now);
          }),
        failed: (failure, error) => this.onLogFailed(failure, error),
      },
    });
    if (ended) this.logSource.endContainer();
    if (!ended && !this.error) {
      this.merge.onAttachAsked(clock.now());
      this.attaching = this.attachLoop();
    } else this.attachDone = true;
    this.step(() => {});
    await this.finished;
    return this.report();
  }

  /** Ends everything this owns. */
  async stop(): Promise<void> {
    this.own.abort();
    this.cancelTick?.();
    this.connection?.socket.terminate();
    await Promise.all([this.logSource?.stop(), this.attaching]);
    await this.store?.close();
  }

  private async report(): Promise<OutputReport> {
    this.options.signal.throwIfAborted();
    const { merge } = this;
    merge.finish(this.clock.now());
    this.store?.write(merge.takeWrites());
    await this.store?.flush();
    await this.store?.save(merge.checkpoint, merge.gaps);
    const notes = [...this.notes, ...merge.notes];
    if (merge.folds && merge.logBytes > 0) {
      notes.push(
        `${merge.logBytes} bytes came from the log, which leaves out carriage returns before line feeds.`,
      );
    }
    const { error, stdin } = this;
    return { bytes: this.size, gaps: merge.gaps, notes, stdin, ...(error ? { error } : {}) };
  }

  /** Lets something happen to the merge, and does what follows from it. */
  private step(event: (now: number) => void): void {
    if (this.signal.aborted) return;
    const { merge, store, logSource } = this;
    event(this.clock.now());
    store?.write(merge.takeWrites());
    if (merge.order.id !== this.obeyed && logSource && !this.logFailure) {
      this.obeyed = merge.order.id;
      this.logDone = merge.order.kind === 'park';
      logSource.obey(merge.order);
    }
    if (merge.dropAttach) this.connection?.socket.terminate();
    this.regulate();
    if (merge.restless) {
      this.cancelTick ??= this.clock.after(TICK_MS, () => {
        this.cancelTick = undefined;
        this.step((now) => merge.tick(now));
      });
    }
    this.checkFinished();
  }

  /** Reads no faster than is written, and no source further ahead of the other than the merge can hold. */
  private regulate(): void {
    const pending = this.store?.pending ?? 0;
    if (pending > HIGH) this.paused = true;
    else if (pending < LOW) this.paused = false;
    const attachPaused = this.paused || this.merge.pauseAttach;
    this.logSource?.pause(this.paused || this.merge.pauseLog);
    this.connection?.pause(attachPaused);
    this.merge.onAttachHeard(this.clock.now(), this.connection !== undefined && !attachPaused);
  }

  private onWritten(size: number): void {
    if (size !== this.size) {
      this.size = size;
      this.options.onOutput?.(size);
    }
    this.saveNowAndThen();
    if (this.paused && !this.signal.aborted) this.step(() => {});
    if (!this.store?.pending) void this.store?.flush().catch((error: Error) => this.fail(error));
  }

  private saveNowAndThen(): void {
    const now = this.clock.now();
    const due = now - this.saved.at >= SAVE_MS || this.size - this.saved.size >= SAVE_BYTES;
    if (!due || this.signal.aborted) return;
    this.saved = { at: now, size: this.size };
    this.store?.save(this.merge.checkpoint, this.merge.gaps).catch((error: Error) => this.fail(error));
  }

  private onEnded(): void {
    if (this.signal.aborted) return;
    this.endedAt = this.clock.now();
    this.logSource?.endContainer();
    this.waitForLastWords();
    this.step(() => {});
  }

  /** A connection that stays open although the container has ended, and brings nothing, is closed. */
  private waitForLastWords(): void {
    const check = () => {
      if (this.signal.aborted || !this.connection) return;
      const silent = this.clock.now() - Math.max(this.lastAttach, this.endedAt ?? 0);
      if (silent >= LAST_WORDS_MS && !this.paused && !this.merge.pauseAttach)
        this.connection.socket.terminate();
      else void delay(this.clock, 1000, this.signal).then(check);
    };
    check();
  }

  private checkFinished(): void {
    const failed = this.error && !this.logFailure;
    if (failed || (this.logDone && this.attachDone)) this.finish();
  }

  private fail(error: Error): void {
    this.error ??= error;
    this.finish();
  }

  private onLogFailed(failure: LogFailure, error: Error): void {
    this.step((now) => {
      this.logFailure = failure;
      this.logDone = true;
      if (failure === 'refused')
        this.notes.push(`The log may not be read (${error.message}); the output before attach is not known.`);
      else if (failure === 'gone') this.notes.push(`The log is gone: ${error.message}.`);
      if (this.attachDone || failure === 'unreachable') this.error ??= error;
      this.merge.onLogRefused(now);
    });
  }

  // ---- attach

  private async attachLoop(): Promise<void> {
    const { options, clock, signal } = this;
    const backoff = new Backoff();
    try {
      while (!signal.aborted && !(this.endedAt !== undefined)) {
        let wait: number;
        try {
          const { status, brought } = await this.attachOnce();
          if (brought) backoff.reset();
          const whole = status?.status === 'Success';
          this.step((now) => this.merge.onAttachClosed(now, whole || this.endedAt !== undefined));
          if (status && !whole) options.log.debug(`Attach ended: ${status.message ?? status.reason ?? ''}`);
          // After a good end the container's own is about to be seen; only if it is not is there more to come.
          wait = whole ? LAST_WORDS_MS : backoff.take();
        } catch (error) {
          if (signal.aborted) return;
          this.step((now) => this.merge.onAttachClosed(now, false));
          if (error instanceof StdinFailed) return this.fail(error.reported);
          if (error instanceof ApiError && (error.status === 403 || error.status === 405)) {
            this.notes.push(`Attach was refused (${error.message}); the output comes from the log alone.`);
            if (this.stdinDue) {
              this.stdin = 'failed';
              return this.fail(stdinError(`attach was refused: ${error.message}`, error));
            }
            if (this.logFailure) this.error ??= error;
            return;
          }
          if (error instanceof ApiError && error.status === 404) return;
          options.log.debug(`Attach failed, trying again: ${(error as Error).message}`);
          wait = backoff.take(error instanceof ApiError ? error.retryAfterMs : undefined);
        }
        await Promise.race([delay(clock, wait, signal), options.ended]);
        if (!signal.aborted && this.endedAt === undefined) this.step((now) => this.merge.onAttachAsked(now));
      }
    } finally {
      this.attachDone = true;
      if (this.stdinDue && this.stdin === 'none') this.stdin = 'unread';
      if (this.logFailure && this.logFailure !== 'refused') {
        this.error ??= new Error('the log of the pod is gone, and attach has ended');
      }
      this.step(() => {});
    }
  }

  private async attachOnce(): Promise<{ status: AttachStatus | undefined; brought: boolean }> {
    const { options, signal } = this;
    let brought = false;
    let closed: (status: AttachStatus | undefined) => void = () => {};
    const end = new Promise<AttachStatus | undefined>((resolve) => {
      closed = resolve;
    });
    const about = {
      path: `${this.path}/attach`,
      container: options.container,
      stdin: this.stdinDue,
      signal,
    };
    // From here on the container may be attached to; with `stdinOnce` its input then ends with the connection.
    if (about.stdin) await writeMark(options.directory, 'sending');
    let connection: AttachConnection;
    try {
      connection = await openAttach(options.api, about, {
        output: (channel, bytes) => {
          brought = true;
          this.lastAttach = this.clock.now();
          this.step((now) => this.merge.onAttach(now, channel, bytes));
        },
        closed,
      });
    } catch (error) {
      if (about.stdin && !signal.aborted) await writeMark(options.directory, 'none');
      throw error;
    }
    this.connection = connection;
    this.step(() => {});
    try {
      if (about.stdin) await this.deliverStdin(connection, end);
      const status = await end;
      if (about.stdin && neverBegan(status)) await this.takeBackStdin();
      return { status, brought };
    } finally {
      this.connection = undefined;
    }
  }

  // ---- standard input

  private async prepareStdin(): Promise<void> {
    const { stdin, directory } = this.options;
    if (!stdin) return;
    const mark = await readMark(directory);
    if (mark === 'sent') this.stdin = 'sent';
    else if (mark === 'none') this.stdinDue = true;
    else {
      this.stdin = 'failed';
      this.error = stdinError('the daemon ended while it was sent, and how much arrived cannot be known');
      this.finish();
    }
  }

  /** The payload went to a connection that never led to the container: it is due again. */
  private async takeBackStdin(): Promise<void> {
    await writeMark(this.options.directory, 'none');
    this.stdin = 'none';
    this.stdinDue = true;
  }

  private async deliverStdin(
    connection: AttachConnection,
    end: Promise<AttachStatus | undefined>,
  ): Promise<void> {
    const { stdin, directory } = this.options;
    if (!stdin) return;
    try {
      await sendStdin(connection.socket, stdin.path);
    } catch (error) {
      if (this.signal.aborted) throw error;
      if (error instanceof StdinBroken && neverBegan(await end)) return;
      // A container that ends does not take the rest, and has its own reasons.
      const grace = delay(this.clock, ENDED_GRACE_MS, this.signal);
      await Promise.race([this.options.ended, grace]);
      this.stdinDue = false;
      if (this.endedAt !== undefined && error instanceof StdinBroken) {
        this.stdin = 'unread';
        return;
      }
      this.stdin = 'failed';
      throw new StdinFailed(stdinError((error as Error).message, error));
    }
    await writeMark(directory, 'sent');
    this.stdinDue = false;
    this.stdin = 'sent';
    this.options.onStdinSent?.();
    // Before v5 only the connection's end says that standard input is at its end (`stdinOnce`).
    if (!connection.socket.protocol.startsWith('v5')) connection.close();
  }
}

/** Whether a connection that was accepted says at its end that it never led to the container. */
function neverBegan(status: AttachStatus | undefined): boolean {
  return /unable to upgrade connection|error dialing backend/.test(status?.message ?? '');
}

/** Carries the report's error out of the attach loop. */
class StdinFailed extends Error {
  constructor(readonly reported: Error) {
    super(reported.message);
  }
}

function stdinError(why: string, cause?: unknown): ReceptorError {
  return new ReceptorError('RECEPTOR_WORK_START_FAILED', `The payload was not delivered: ${why}`, { cause });
}
