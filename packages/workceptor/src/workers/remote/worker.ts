import { ReceptorError, WorkState } from '@receptor/protocol';
import { errorText } from '../../error-text.js';
import type { UnitHandle, Worker } from '../../worker.js';
import type { RemoteAccess } from './access.js';
import { endRemoteUnit, remoteEnd } from './end.js';
import { Follower } from './follower.js';
import { SubmitUncertain } from './lost-submit.js';
import { RemoteRecord } from './record.js';
import { Retry } from './retry.js';
import { isLoss } from './session.js';
import { Failure, Start } from './start.js';

/** How long somebody who cancels or releases waits for the other node; after that it is done later. */
const END_MS = 5_000;
/** How long a cancel waits for the state that comes of it. */
const SETTLE_MS = 2_000;

/** Has a unit done by another node (reference: work, 5). */
export class RemoteWorker implements Worker {
  readonly releaseCancels = true;
  readonly #unit: UnitHandle;
  readonly #access: RemoteAccess;
  readonly #record: RemoteRecord;
  readonly #retry: Retry;
  readonly #follower: Follower;
  /** Ends whatever goes on: the unit is released, or let go of. */
  readonly #stop = new AbortController();
  /** Ends the tries to start it. */
  readonly #noStart = new AbortController();
  readonly #start: Start;
  #run: Promise<void> | undefined;
  /** Resolves when it is started, or is not tried any more. */
  #starting: Promise<void> | undefined;
  #pending = false;
  /** Whether it is no news that the other node does not have the unit any more. */
  #releasing = false;

  constructor(unit: UnitHandle, access: RemoteAccess) {
    this.#unit = unit;
    this.#access = access;
    this.#record = new RemoteRecord(unit);
    this.#retry = new Retry(access, this.#record.extra.RemoteNode);
    const starting = AbortSignal.any([this.#stop.signal, this.#noStart.signal]);
    this.#start = new Start(this.#record, access, this.#retry, starting);
    this.#follower = new Follower(this.#record, access, this.#retry, this.#stop.signal);
  }

  get pending(): boolean {
    return this.#pending;
  }

  async start(): Promise<void> {
    try {
      this.#pending = !(await this.#start.once());
    } catch (error) {
      await this.#leaveUnfinished(error);
      if (!(error instanceof Failure)) throw error;
      this.#pending = true;
      await this.#fail(error.message);
      return;
    }
    this.#run = this.#live();
  }

  async resume(): Promise<void> {
    const { RemoteStarted, IdempotencyKey, LocalCancelled } = this.#record.extra;
    if (!RemoteStarted && LocalCancelled) return this.#cancelUnstarted();
    // Of a submit that a Go daemon has made it is not known whether the other node got it.
    if (!RemoteStarted && IdempotencyKey === undefined)
      throw new Error('remote work had not previously started');
    this.#run = this.#live();
  }

  async cancel(): Promise<void> {
    this.#pending = false;
    if (!this.#record.extra.RemoteStarted) {
      await this.#endStart();
      if (!this.#record.extra.RemoteStarted) return this.#cancelUnstarted();
    }
    await this.#record.change({ LocalCancelled: true }, true);
    try {
      await this.#end('cancel');
      this.#follower.cancelled();
    } catch (error) {
      if (!isLoss(error)) throw error;
      this.#pending = true;
    }
    this.#follower.lookAgain();
    if (!this.#pending) await settledWithin(this.#run, SETTLE_MS);
  }

  async release(force: boolean): Promise<void> {
    this.#pending = false;
    this.#releasing = true;
    if (!this.#record.extra.RemoteStarted) await this.#endStart();
    const end = remoteEnd(this.#record.extra);
    if (end) {
      await this.#record.change({ LocalCancelled: true, LocalReleased: true }, true);
      try {
        await this.#end('release');
      } catch (error) {
        // Whoever is refused keeps the unit, and it is followed as before.
        this.#releasing = false;
        if (force || !isLoss(error)) {
          if (!this.#record.extra.RemoteStarted) await this.#cancelUnstarted();
          throw error;
        }
        await this.#unit.leave(end);
        this.#pending = true;
      }
    }
    await this.#endRun();
  }

  async detach(): Promise<void> {
    await this.#endRun();
  }

  /** Starts the unit if it has not been, and follows it to its end. */
  async #live(): Promise<void> {
    try {
      if (!this.#record.extra.RemoteStarted) {
        const starting = this.#start.untilStarted(this.#pending);
        this.#starting = starting.catch(() => undefined);
        await starting;
      }
      await this.#follower.untilComplete(this.#start.takeSession());
    } catch (error) {
      if (this.#stop.signal.aborted || (this.#noStart.signal.aborted && !this.#record.extra.RemoteStarted))
        return;
      if (this.#releasing) return;
      await this.#leaveUnfinished(error);
      const refused = !this.#record.extra.RemoteStarted && !(error instanceof Failure);
      await this.#fail(refused ? `Error starting worker: ${errorText(error)}` : errorText(error));
    }
  }

  async #fail(detail: string): Promise<void> {
    this.#unit.log.error(`Remote unit ${this.#unit.id} has failed: ${detail}`);
    await this.#unit.update({ state: WorkState.Failed, detail }).catch(() => undefined);
  }

  /** A unit that is not started any more may be on the other node all the same, whole or in part. */
  async #leaveUnfinished(error?: unknown): Promise<void> {
    const { extra } = this.#record;
    const mayBe = error === undefined || error instanceof Failure || error instanceof SubmitUncertain;
    const end = mayBe && !extra.RemoteStarted ? remoteEnd(extra) : undefined;
    if (end) await this.#unit.leave(end);
  }

  async #cancelUnstarted(): Promise<void> {
    await this.#record.change({ LocalCancelled: true }, true);
    await this.#leaveUnfinished();
    await this.#unit.update({ state: WorkState.Canceled, detail: 'Locally Cancelled' });
  }

  async #end(subcommand: 'cancel' | 'release'): Promise<void> {
    const end = remoteEnd(this.#record.extra);
    if (!end) return;
    const late = new AbortController();
    const timer = setTimeout(
      () => late.abort(new ReceptorError('RECEPTOR_CONNECT_FAILED', 'the node does not answer')),
      END_MS,
    );
    try {
      await endRemoteUnit(this.#access, end, subcommand, late.signal);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Has it not started any more, unless it is by now. */
  async #endStart(): Promise<void> {
    this.#noStart.abort(new ReceptorError('RECEPTOR_ABORTED', 'the unit is cancelled'));
    await this.#starting;
  }

  async #endRun(): Promise<void> {
    this.#stop.abort(new ReceptorError('RECEPTOR_ABORTED', 'the unit is let go of'));
    await this.#run;
    this.#run = undefined;
  }
}

async function settledWithin(run: Promise<void> | undefined, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([run, late]);
  clearTimeout(timer);
}
