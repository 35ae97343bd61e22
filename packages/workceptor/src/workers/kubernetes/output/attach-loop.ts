import { ReceptorError } from '@receptor/protocol';
import type { Logger } from '../../../logger.js';
import { ApiError, type KubernetesApi } from '../api.js';
import { type AttachConnection, type AttachStatus, neverAttached, openAttach } from './attach.js';
import type { Channel } from './attach-side.js';
import { aborted, Backoff, delay } from './clock.js';
import type { Payload } from './payload.js';
import type { Clock } from './types.js';

/** How long a container that has ended is listened to when it is silent. */
const LAST_WORDS_MS = 5_000;
/** How often a container that does not run yet is tried, at first, and at last. */
const EARLY_MS = 100;
const EARLY_LATEST_MS = 1_000;
/** For so long it is tried often. */
const EARLY_FOR_MS = 5_000;

/** What an {@link AttachLoop} tells. */
export interface AttachEvents {
  /** A connection is asked for. */
  asked(): void;
  /** It is open. */
  opened(): void;
  output(channel: Channel, bytes: Buffer): void;
  /** It never led to the container: that does not run yet, or no more. */
  unreached(): void;
  /** It has ended; `whole`: with all there was; `last`: there will be no other. */
  closed(whole: boolean, last: boolean): void;
  /** Attach is not allowed, and not tried again. */
  refused(error: ApiError): void;
  /** The payload cannot be delivered: nothing is to be gone on with. */
  failed(error: Error): void;
  /** Nothing more will come. */
  done(): void;
}

/** What an {@link AttachLoop} needs to know. */
export interface AttachLoopOptions {
  readonly api: KubernetesApi;
  /** Path of attach. */
  readonly path: string;
  readonly container: string;
  readonly payload: Payload;
  /** Resolves when the container is known to run, or to have run. */
  readonly started: Promise<void>;
  readonly ended: Promise<void>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly events: AttachEvents;
}

/** Keeps one attach connection to a container open, from before it runs until it has ended, and sends it its payload. */
export class AttachLoop {
  done = false;
  /** The connection that output comes from. */
  connection: AttachConnection | undefined;
  private running: Promise<void> = Promise.resolve();
  private hasStarted = false;
  private hasEnded = false;
  private begun = 0;
  private readonly backoff = new Backoff();

  constructor(private readonly options: AttachLoopOptions) {}

  start(): void {
    const { started, ended, clock } = this.options;
    this.begun = clock.now();
    void started.then(() => {
      this.hasStarted = true;
    });
    void ended.then(() => {
      this.hasEnded = true;
    });
    this.running = this.run();
  }

  /** Ends the present connection; another is opened while the container runs. */
  drop(): void {
    this.connection?.socket.terminate();
  }

  /** Resolves when nothing is left of it; the signal has been given. */
  async stop(): Promise<void> {
    this.drop();
    await this.running;
  }

  private async run(): Promise<void> {
    const { ended, events, payload, signal, started } = this.options;
    try {
      // A payload is sent once only, so the container must be there.
      if (payload.due) await Promise.race([started, ended, aborted(signal)]);
      else await Promise.resolve(); // so that an end that is known already is known here
      while (!signal.aborted && !this.hasEnded) {
        events.asked();
        const wait = await this.once();
        if (wait === undefined) return;
        await this.pause(wait);
      }
    } catch (error) {
      if (!signal.aborted) events.failed(error as Error);
    } finally {
      this.done = true;
      payload.leave();
      events.done();
    }
  }

  /** Lives through one connection; returns how long to wait for the next, or undefined when there shall be none. */
  private async once(): Promise<number | undefined> {
    const { events, log, payload, signal } = this.options;
    try {
      const { status, brought } = await this.connect();
      const whole = status?.status === 'Success';
      if (neverAttached(status)) events.unreached();
      events.closed(whole, whole || this.hasEnded);
      if (status && !whole && this.hasStarted)
        log.debug(`Attach ended: ${status.message ?? status.reason ?? ''}`);
      if (!this.hasStarted && !brought) return this.earlyWait();
      // After a good end the container's own is about to be seen; only if it is not is there more to come.
      if (whole) return LAST_WORDS_MS;
      if (!brought) return this.backoff.take();
      // What is written until the next one is there only the log has.
      this.backoff.reset();
      return 0;
    } catch (error) {
      if (signal.aborted) return undefined;
      events.closed(false, false);
      if (error instanceof ReceptorError) throw error;
      if (error instanceof ApiError && (error.status === 403 || error.status === 405)) {
        events.refused(error);
        if (payload.due) throw payload.fail(`attach was refused: ${error.message}`, error);
        return undefined;
      }
      if (error instanceof ApiError && error.status === 404) return undefined;
      if (this.hasStarted) log.debug(`Attach failed, trying again: ${(error as Error).message}`);
      const atLeast = error instanceof ApiError ? error.retryAfterMs : undefined;
      if (!this.hasStarted && error instanceof ApiError && error.status >= 400)
        return Math.max(this.earlyWait(), atLeast ?? 0);
      return this.backoff.take(atLeast);
    }
  }

  private earlyWait(): number {
    const late = this.options.clock.now() - this.begun - EARLY_FOR_MS;
    return Math.min(EARLY_LATEST_MS, EARLY_MS + Math.max(0, late / 5));
  }

  private async pause(ms: number): Promise<void> {
    const { clock, ended, signal, started } = this.options;
    const wakes = [delay(clock, ms, signal), ended];
    if (!this.hasStarted) wakes.push(started);
    await Promise.race(wakes);
  }

  /** Opens a connection, sends the payload if it is due, and listens until the end. */
  private async connect(): Promise<{ status: AttachStatus | undefined; brought: boolean }> {
    const { events } = this.options;
    let brought = false;
    const listener = (channel: Channel, bytes: Buffer) => {
      brought = true;
      events.output(channel, bytes);
    };
    // Before v5 only a connection's end says that standard input is at its end, so output needs one of its own.
    let carrier: Opened | undefined;
    const payload = this.options.payload.due ? this.options.payload : undefined;
    try {
      let opened = payload
        ? await this.openForPayload((...output) => {
            if (!carrier) listener(...output);
          })
        : await this.open(false, listener);
      if (payload && !opened.connection.closesStdin) {
        carrier = opened;
        opened = await this.open(false, listener).catch((cause: Error) => {
          throw payload.fail(`its output could not be attached to: ${cause.message}`, cause);
        });
      }
      this.connection = opened.connection;
      events.opened();
      await payload?.deliver(carrier ?? opened);
      carrier?.connection.close();
      const status = await opened.end;
      if (payload && !carrier && neverAttached(status)) await payload.takeBack();
      return { status, brought };
    } finally {
      this.connection = undefined;
      carrier?.connection.close();
    }
  }

  private async openForPayload(output: (channel: Channel, bytes: Buffer) => void): Promise<Opened> {
    const { payload, signal } = this.options;
    await payload.begin();
    try {
      return await this.open(true, output);
    } catch (error) {
      if (!signal.aborted) await payload.takeBack();
      throw error;
    }
  }

  private async open(stdin: boolean, output: (channel: Channel, bytes: Buffer) => void): Promise<Opened> {
    const { api, path, container, signal } = this.options;
    let closed: (status: AttachStatus | undefined) => void = () => {};
    const end = new Promise<AttachStatus | undefined>((resolve) => {
      closed = resolve;
    });
    const about = { path, container, stdin, signal };
    return { connection: await openAttach(api, about, { output, closed }), end };
  }
}

/** A connection, and what was said at its end. */
interface Opened {
  readonly connection: AttachConnection;
  readonly end: Promise<AttachStatus | undefined>;
}
