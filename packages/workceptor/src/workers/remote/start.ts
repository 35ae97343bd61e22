import { errorText } from '../../error-text.js';
import type { RemoteAccess } from './access.js';
import { Deadline } from './deadline.js';
import { expirationOf } from './extra-data.js';
import type { RemoteRecord } from './record.js';
import type { Retry } from './retry.js';
import { isLoss, RemoteSession } from './session.js';
import { submit } from './submit.js';

/** The unit has failed, with this as its detail. */
export class Failure extends Error {}

/** Has another node start a unit, however often that has to be tried. */
export class Start {
  readonly #record: RemoteRecord;
  readonly #access: RemoteAccess;
  readonly #retry: Retry;
  readonly #stop: AbortSignal;
  #told = '';
  #following: RemoteSession | undefined;

  /** @param stop ends all tries */
  constructor(record: RemoteRecord, access: RemoteAccess, retry: Retry, stop: AbortSignal) {
    this.#record = record;
    this.#access = access;
    this.#retry = retry;
    this.#stop = stop;
  }

  /**
   * One try.
   * @returns whether the unit is started; otherwise the node cannot be reached, and another try may do better
   * @throws Failure; ReceptorError what the node refused the submit with; the reason of the stop
   */
  once(): Promise<boolean> {
    return this.#retry.during(() => this.#once());
  }

  async #once(): Promise<boolean> {
    const late = new Deadline(expirationOf(this.#record.extra));
    const signal = AbortSignal.any([this.#stop, late.signal]);
    try {
      signal.throwIfAborted();
      const session = await RemoteSession.open(this.#access, this.#record.extra, signal);
      await this.#tellReached();
      let following = false;
      try {
        following = await submit(session, this.#record, this.#access);
      } finally {
        if (!following) session.close();
      }
      if (following) this.#following = session;
      this.#retry.reset();
      return true;
    } catch (error) {
      if (this.#record.extra.RemoteStarted) return true;
      this.#stop.throwIfAborted();
      return this.#judge(error, late.signal.aborted);
    } finally {
      late.clear();
    }
  }

  /**
   * Tries until the unit is started. Throws as {@link once} does.
   * @param tried whether there was a try a moment ago
   */
  async untilStarted(tried: boolean): Promise<void> {
    if (tried) await this.#pause();
    while (!(await this.once())) await this.#pause();
  }

  /** Gives away the session over which the started unit is told of, if there is one. */
  takeSession(): RemoteSession | undefined {
    const session = this.#following;
    this.#following = undefined;
    return session;
  }

  async #pause(): Promise<void> {
    const late = new Deadline(expirationOf(this.#record.extra));
    await this.#retry.wait(AbortSignal.any([this.#stop, late.signal]));
    late.clear();
  }

  async #tellReached(): Promise<void> {
    if (this.#told === '') return;
    this.#told = '';
    await this.#record.unit.update({ detail: 'Starting Worker' }).catch(() => undefined);
  }

  async #judge(error: unknown, expired: boolean): Promise<boolean> {
    const { extra, unit } = this.#record;
    if (expired) throw new Failure(`Work unit expired on ${goTime(expirationOf(extra))}`);
    if (!isLoss(error)) throw error;
    const text = errorText(error);
    if (text.includes('CRYPTO_ERROR')) throw new Failure(`TLS error connecting to remote service: ${text}`);
    if (text !== this.#told) {
      this.#told = text;
      unit.log.info(`Connection to ${extra.RemoteNode} failed with error: ${text}`);
      await unit.update({ detail: `Waiting for node ${extra.RemoteNode}: ${text}` }).catch(() => undefined);
    }
    return false;
  }
}

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** A time as the Go daemon writes it here, such as `Tue Nov 24 05:37:53`. */
function goTime(ms: number): string {
  const time = new Date(ms);
  return `${DAYS[time.getDay()]} ${MONTHS[time.getMonth()]} ${time.getDate()} ${time.toTimeString().slice(0, 8)}`;
}
