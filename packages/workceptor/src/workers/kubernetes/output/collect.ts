import type { ApiError } from '../api.js';
import { AttachLoop } from './attach-loop.js';
import { delay, systemClock } from './clock.js';
import { headDoubt, LogHead } from './log-head.js';
import { type LogFailure, LogSource } from './log-source.js';
import { Merge } from './merge.js';
import { Payload } from './payload.js';
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

/** Lets the two sources, the merge and the disk work together. */
class Collector {
  private readonly clock: Clock;
  private readonly own = new AbortController();
  private readonly signal: AbortSignal;
  private merge = new Merge();
  private store: OutputStore | undefined;
  private payload: Payload | undefined;

  private attach: AttachLoop | undefined;
  private lastAttach = 0;
  private logSource: LogSource | undefined;
  private logDone = false;
  private logFailure: LogFailure | undefined;
  private head = new LogHead();
  private attachAsked = 0;
  /** The order that the log source has. */
  private obeyed = -1;

  private started = false;
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
  }

  async run(): Promise<OutputReport> {
    const { options, clock, signal } = this;
    const { store, start } = await OutputStore.open(options.stdoutPath, options.directory, (size) => {
      this.onWritten(size);
    });
    this.store = store;
    this.size = start.size;
    this.merge = new Merge(start);
    this.head = new LogHead(start.head);
    this.saved = { at: clock.now(), size: start.size };
    await store.save(this.merge.checkpoint, this.merge.flaws, this.head.facts);
    const { stdin, directory, ended } = options;
    const onSent = () => options.onStdinSent?.();
    const payload = await Payload.prepare({ stdin, directory, ended, clock, signal, onSent });
    this.payload = payload;
    options.signal.throwIfAborted();
    signal.addEventListener('abort', this.finish, { once: true });
    if (signal.aborted)
      this.finish(); // while the files were being opened
    else if (payload.lost) this.fail(payload.lost);
    else this.open(payload);
    await this.finished;
    return this.report();
  }

  /** Ends everything this owns. */
  async stop(): Promise<void> {
    this.own.abort();
    this.cancelTick?.();
    await Promise.all([this.logSource?.stop(), this.attach?.stop()]);
    await this.store?.close();
  }

  /** Opens the sources. */
  private open(payload: Payload): void {
    const { options, clock, signal } = this;
    const { api, container, log, ended } = options;
    const { namespace, name } = options.pod;
    const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(name)}`;
    const started = options.started ?? Promise.resolve();
    this.logSource = new LogSource({
      api,
      path: `${path}/log`,
      container,
      clock,
      log,
      patience: options.patience ?? HOUR_MS,
      head: this.head,
      events: {
        ready: (ready) => this.step((now) => this.merge.onLogReady(now, ready)),
        content: (bytes, cursor) => this.step((now) => this.merge.onLog(now, bytes, cursor)),
        lost: () => this.step((now) => this.merge.onLogLost(now)),
        tail: (id, tail) =>
          this.step((now) => {
            if (id === this.merge.order.id) this.merge.onLogTail(now, tail);
          }),
        end: (id) =>
          this.step((now) => {
            if (id !== this.merge.order.id) return;
            this.logDone = true;
            this.merge.onLogEnd(now);
          }),
        failed: (failure, error) => this.onLogFailed(failure, error),
      },
    });
    this.attach = new AttachLoop({
      api,
      path: `${path}/attach`,
      container,
      payload,
      started,
      ended,
      clock,
      log,
      signal,
      events: {
        asked: () => {
          this.attachAsked = clock.now();
          this.step((now) => this.merge.onAttachAsked(now));
        },
        opened: () => {
          this.head.onAttachOpened(clock.now());
          this.step(() => {});
        },
        unreached: () => this.head.onAttachFailed(this.attachAsked),
        output: (channel, bytes) => {
          this.lastAttach = clock.now();
          this.onStarted();
          this.step((now) => this.merge.onAttach(now, channel, bytes));
        },
        closed: (whole, last) => {
          this.head.onAttachClosed();
          this.step((now) => this.merge.onAttachClosed(now, whole, last));
        },
        refused: (error) => this.onAttachRefused(error),
        failed: (error) => this.fail(error),
        done: () => this.onAttachDone(),
      },
    });
    void started.then(() => this.onStarted());
    void ended.then(() => this.onEnded());
    this.attach.start();
  }

  private async report(): Promise<OutputReport> {
    this.options.signal.throwIfAborted();
    const { merge } = this;
    merge.finish(this.clock.now());
    const doubts = [...this.judgeHead(), ...merge.unsure];
    this.store?.write(merge.takeWrites());
    await this.store?.flush();
    await this.store?.save(merge.checkpoint, merge.flaws, this.head.facts);
    const { gaps, uncertain } = merge.flaws;
    const bytes = uncertain.reduce((sum, part) => sum + part.bytes, 0);
    const notes = [...this.notes, ...merge.notes];
    for (const doubt of doubts) notes.push(`${doubt[0]?.toUpperCase()}${doubt.slice(1)}.`);
    if (this.payload?.state === 'unread')
      notes.push('The container ended before it had taken the whole payload.');
    if (bytes > 0) {
      notes.push(
        `${bytes} bytes came from the log alone, which may leave out carriage returns before line feeds.`,
      );
    }
    return {
      bytes: this.size,
      gaps,
      notes,
      stdin: this.payload?.state ?? 'none',
      ...(merge.suspicious ? { uncertain } : {}),
      ...(doubts.length > 0 ? { doubts } : {}),
      ...(this.error ? { error: this.error } : {}),
    };
  }

  /** Whether the log was there from its beginning: what is likely is a gap, what is possible a doubt. */
  private judgeHead(): string[] {
    const { head, merge } = this;
    if (merge.attachedFromStart) head.onWhole();
    const { startedAt, endedAt } = this.options.ran?.() ?? {};
    const doubt = headDoubt(head.facts, startedAt, endedAt);
    if (!doubt) return [];
    if (!doubt.likely) return [doubt.text];
    merge.loseHead(doubt.text);
    return [];
  }

  /** Lets something happen to the merge, and does what follows from it. */
  private step(event: (now: number) => void): void {
    if (this.signal.aborted) return;
    const { merge, store, logSource } = this;
    event(this.clock.now());
    store?.write(merge.takeWrites());
    if (merge.order.id !== this.obeyed && logSource && this.started && !this.logFailure) {
      this.obeyed = merge.order.id;
      this.logDone = merge.order.kind === 'park' || merge.order.kind === 'hold';
      logSource.obey(merge.order);
    }
    if (merge.dropAttach) this.attach?.drop();
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
    const connection = this.attach?.connection;
    this.logSource?.pause(this.paused || this.merge.pauseLog);
    connection?.pause(attachPaused);
    this.merge.onAttachHeard(this.clock.now(), connection !== undefined && !attachPaused);
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
    if (this.merge.attachedFromStart) this.head.onWhole();
    this.store
      ?.save(this.merge.checkpoint, this.merge.flaws, this.head.facts)
      .catch((error: Error) => this.fail(error));
  }

  private checkFinished(): void {
    const failed = this.error && !this.logFailure;
    if (failed || (this.logDone && this.attach?.done)) this.finish();
  }

  private fail(error: Error): void {
    this.error ??= error;
    this.finish();
  }

  // ---- what happens to the container

  /** It runs, or has run: from now on there is a log. */
  private onStarted(): void {
    if (this.started) return;
    this.started = true;
    this.step(() => {});
  }

  private onEnded(): void {
    if (this.signal.aborted) return;
    this.endedAt = this.clock.now();
    this.logSource?.endContainer();
    this.waitForLastWords();
    this.onStarted();
    this.step(() => {});
  }

  /** A connection that stays open although the container has ended, and brings nothing, is closed. */
  private waitForLastWords(): void {
    const check = () => {
      if (this.signal.aborted || !this.attach || this.attach.done) return;
      const silent = this.clock.now() - Math.max(this.lastAttach, this.endedAt ?? 0);
      if (silent >= LAST_WORDS_MS && !this.paused && !this.merge.pauseAttach) this.attach.drop();
      void delay(this.clock, 1000, this.signal).then(check);
    };
    check();
  }

  // ---- what happens to the sources

  private onLogFailed(failure: LogFailure, error: Error): void {
    this.step((now) => {
      this.logFailure = failure;
      this.logDone = true;
      if (failure === 'refused')
        this.notes.push(
          `The log may not be read (${error.message}): that nothing is missing before attach began and at its end could not be verified.`,
        );
      else if (failure === 'gone') this.notes.push(`The log is gone: ${error.message}.`);
      if (this.attach?.done || failure === 'unreachable') this.error ??= error;
      this.merge.onLogRefused(now);
    });
  }

  private onAttachRefused(error: ApiError): void {
    this.notes.push(`Attach was refused (${error.message}); the output comes from the log alone.`);
    if (this.logFailure) this.error ??= error;
  }

  private onAttachDone(): void {
    if (this.logFailure && this.logFailure !== 'refused') {
      this.error ??= new Error('the log of the pod is gone, and attach has ended');
    }
    this.step(() => {});
  }
}
