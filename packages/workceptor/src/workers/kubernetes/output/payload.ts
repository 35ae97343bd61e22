import { ReceptorError } from '@receptor/protocol';
import { type AttachConnection, type AttachStatus, neverAttached } from './attach.js';
import { delay } from './clock.js';
import { readMark, StdinBroken, sendStdin, writeMark } from './stdin.js';
import type { Clock, OutputReport } from './types.js';

/** So long the container's end is waited for after the payload's loss. */
const ENDED_GRACE_MS = 10_000;

/** What a {@link Payload} needs to know. */
export interface PayloadOptions {
  readonly stdin: { readonly path: string; readonly size: number } | undefined;
  readonly directory: string;
  readonly ended: Promise<void>;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Called when all of it, and its end, are on the way. */
  readonly onSent: () => void;
}

/** The payload for a container's standard input: sent once, or not at all. */
export class Payload {
  state: OutputReport['stdin'] = 'none';
  /** Whether it is still to be sent. */
  due = false;

  private constructor(private readonly options: PayloadOptions) {}

  /** Finds out what an earlier process has sent. */
  static async prepare(options: PayloadOptions): Promise<Payload> {
    const payload = new Payload(options);
    if (!options.stdin) return payload;
    const mark = await readMark(options.directory);
    payload.due = mark === 'none';
    if (mark === 'sent') payload.state = 'sent';
    else if (mark === 'sending') payload.state = 'failed';
    return payload;
  }

  /** Why it cannot be delivered any more, where an earlier process has left it in the middle. */
  get lost(): ReceptorError | undefined {
    if (this.state !== 'failed') return undefined;
    return stdinError('the daemon ended while it was sent, and how much arrived cannot be known');
  }

  /** The container ended without it. */
  leave(): void {
    if (this.due && this.state === 'none') this.state = 'unread';
    this.due = false;
  }

  /** It cannot be delivered. Returns the error that says so. */
  fail(why: string, cause: unknown): ReceptorError {
    this.due = false;
    this.state = 'failed';
    return stdinError(why, cause);
  }

  /** A connection for it is about to be opened: with `stdinOnce` the container's input ends with that connection. */
  async begin(): Promise<void> {
    await writeMark(this.options.directory, 'sending');
  }

  /** The connection never led to the container: it is due again. */
  async takeBack(): Promise<void> {
    await writeMark(this.options.directory, 'none');
    this.state = 'none';
    this.due = true;
  }

  /**
   * Sends it over the connection that {@link begin} was for.
   * @throws ReceptorError when a part of it, or its end, may have arrived, and the container goes on
   */
  async deliver(over: {
    connection: AttachConnection;
    end: Promise<AttachStatus | undefined>;
  }): Promise<void> {
    const { stdin, directory, signal, clock, ended } = this.options;
    if (!stdin) return;
    try {
      await sendStdin(over.connection.socket, stdin.path, clock);
    } catch (error) {
      if (signal.aborted) throw error;
      if (!(error instanceof StdinBroken)) throw this.fail((error as Error).message, error);
      const status = await over.end;
      if (neverAttached(status)) return;
      const endedFirst = status?.status === 'Success';
      if (!endedFirst) {
        // A container that ends now may have taken a part for the whole. How it ends is worth knowing all the same.
        await Promise.race([ended, delay(clock, ENDED_GRACE_MS, signal)]);
        throw this.fail(error.message, error);
      }
      // A container that ends does not take the rest, and has its own reasons.
      if (!error.whole) {
        await writeMark(directory, 'sent');
        this.leave();
        return;
      }
    }
    await writeMark(directory, 'sent');
    this.due = false;
    this.state = 'sent';
    this.options.onSent();
  }
}

function stdinError(why: string, cause?: unknown): ReceptorError {
  return new ReceptorError('RECEPTOR_WORK_START_FAILED', `The payload was not delivered: ${why}`, { cause });
}
