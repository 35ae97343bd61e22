import { type FollowedStatus, ReceptorError } from '@receptor/protocol';
import { errorText } from '../../error-text.js';
import type { RemoteAccess } from './access.js';
import { endRemoteUnit, signatureFor } from './end.js';
import { followByPush, receiveFrames } from './follow.js';
import { Output } from './output.js';
import { followByPolling } from './poll.js';
import type { RemoteRecord } from './record.js';
import type { Retry } from './retry.js';
import { isLoss, RemoteSession } from './session.js';
import { Failure } from './start.js';

/** Brings the status and the output of a unit that another node runs, over one connection after the other. */
export class Follower {
  readonly #record: RemoteRecord;
  readonly #access: RemoteAccess;
  readonly #retry: Retry;
  readonly #stop: AbortSignal;
  readonly #output: Output;
  /** Whether the other node knows that the unit is cancelled. */
  #cancelled = false;
  #again: AbortController | undefined;
  #told = '';
  /** While the output has no room here: how the unit stands. */
  #held: { status?: FollowedStatus } | undefined;

  /** @param stop ends the following */
  constructor(record: RemoteRecord, access: RemoteAccess, retry: Retry, stop: AbortSignal) {
    this.#record = record;
    this.#access = access;
    this.#retry = retry;
    this.#stop = stop;
    this.#output = new Output(record.unit.stdoutPath, () => this.#onOutput());
  }

  /**
   * Follows the unit until its last status, with which all of its output is there.
   * @param begun a session over which it is told of already, from its first byte on
   * @throws Failure when the other node does not have the unit any more; the reason of the stop
   */
  async untilComplete(begun?: RemoteSession): Promise<void> {
    try {
      if (begun && (await this.#once(begun))) return;
      while (!(await this.#once())) await this.#retry.wait(this.#stop);
    } finally {
      await this.#output.close();
    }
  }

  /** The other node knows that the unit is cancelled. */
  cancelled(): void {
    this.#cancelled = true;
  }

  /** Makes a new connection, because there is something to tell, or the one that is there may be dead. */
  lookAgain(): void {
    this.#again?.abort(new ReceptorError('RECEPTOR_CONNECTION_LOST', 'another connection is made'));
  }

  /** Follows the unit over one connection. @returns whether it is complete */
  async #once(begun?: RemoteSession): Promise<boolean> {
    const { extra, unit } = this.#record;
    const again = new AbortController();
    this.#again = again;
    const stopListening = this.#access.onAppeared(extra.RemoteNode, () => {
      this.#retry.reset();
      this.lookAgain();
    });
    const signal = AbortSignal.any([this.#stop, again.signal]);
    const closeBegun = () => begun?.close();
    signal.addEventListener('abort', closeBegun, { once: true });
    let session = begun;
    try {
      session ??= await RemoteSession.open(this.#access, extra, signal);
      if (extra.LocalCancelled && !this.#cancelled) {
        await this.#cancel(signal);
      }
      const { State, Detail } = await (begun
        ? receiveFrames(begun, this.#output, (status) => this.#onStatus(status))
        : this.#follow(session, signal));
      await unit.update({ state: State, detail: Detail });
      return true;
    } catch (error) {
      this.#stop.throwIfAborted();
      if (error instanceof ReceptorError && error.code === 'RECEPTOR_UNKNOWN_UNIT')
        throw new Failure('Remote work unit is gone');
      this.#tell(error);
      return false;
    } finally {
      signal.removeEventListener('abort', closeBegun);
      stopListening();
      session?.close();
    }
  }

  /** Tells the other node that the unit is cancelled; one that refuses that is not asked again. @throws a loss */
  async #cancel(signal: AbortSignal): Promise<void> {
    try {
      await endRemoteUnit(this.#access, this.#record.extra, 'cancel', signal);
    } catch (error) {
      if (isLoss(error) || signal.aborted) throw error;
      this.#record.unit.log.error(`Unit ${this.#record.unit.id}: ${errorText(error)}`);
    }
    this.#cancelled = true;
  }

  async #follow(session: RemoteSession, signal: AbortSignal): Promise<FollowedStatus> {
    const { extra } = this.#record;
    const unitId = extra.RemoteUnitID;
    const onStatus = (status: FollowedStatus) => this.#onStatus(status);
    const sign = () => signatureFor(this.#access, extra);
    if ((await session.abilities()).has('follow'))
      return followByPush(session, { unitId, ...(await sign()) }, this.#output, onStatus);
    const open = (ending: AbortSignal) => RemoteSession.open(this.#access, extra, ending);
    return followByPolling(session, { unitId, output: this.#output, open, sign, onStatus }, signal);
  }

  #onOutput(): void {
    const held = this.#held;
    this.#held = undefined;
    if (held?.status) this.#onStatus(held.status);
    this.#record.unit.outputChanged();
  }

  #onStatus(status: FollowedStatus): void {
    if (this.#held) {
      this.#held.status = status;
      return;
    }
    const { State, Detail } = status;
    const { unit } = this.#record;
    this.#retry.reset();
    this.#told = '';
    if (unit.status.State === State && unit.status.Detail === Detail) return;
    void unit.update({ state: State, detail: Detail }).catch(() => undefined);
  }

  #tell(error: unknown): void {
    const text = errorText(error);
    if (text === this.#told) return;
    this.#told = text;
    const { extra, unit } = this.#record;
    if (isLoss(error)) {
      unit.log.info(`Connection to ${extra.RemoteNode} failed with error: ${text}`);
      return;
    }
    unit.log.error(`Cannot follow unit ${extra.RemoteUnitID} on ${extra.RemoteNode}: ${text}`);
    // Nothing is lost: the other node keeps the unit, and it goes on here from where it stopped.
    this.#held ??= {};
    const detail = `Cannot take what the unit does on ${extra.RemoteNode}, and try again: ${text}`;
    void unit.update({ detail }).catch(() => undefined);
  }
}
