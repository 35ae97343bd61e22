import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ReceptorError, type UnitReport, WorkState } from '@receptor/protocol';
import { errorText } from '../error-text.js';
import type { Worker, WorkType } from '../worker.js';
import { WAITING_FOR_INPUT } from './submission.js';
import type { Turns } from './turns.js';
import type { Unit } from './unit.js';

/** Detail of a unit that a Go daemon has only just made. */
const UNIT_CREATED = 'Unit Created';
/** Detail of a unit whose worker is being started. */
const STARTING_WORKER = 'Starting Worker';
/** What the detail of a unit begins with that waits for others of its work type to end. */
const WAITING_FOR_TURN = 'Waiting for its turn';

/** Whether what was asked for is done, or goes on in the background because another node cannot be reached. */
export type Outcome = 'done' | 'pending';

/**
 * A unit and the worker that is assigned to it. Its operations take turns, and none of them begins before the
 * worker's start has settled.
 */
export class Assignment {
  readonly unit: Unit;
  readonly #turns: Turns;
  #type: WorkType | undefined;
  #worker: Worker | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  /** @param type of a new unit; one that was found on disk is offered its type later, or never. */
  constructor(unit: Unit, turns: Turns, type?: WorkType) {
    this.unit = unit;
    this.#turns = turns;
    this.#type = type;
  }

  /** The unit's work type; undefined where the node does not offer it. */
  get type(): WorkType | undefined {
    return this.#type;
  }

  report(): UnitReport {
    const extraData = this.unit.status.ExtraData;
    if (!this.#type) return this.unit.report('Unknown WorkType');
    return this.unit.report(this.#type.redact ? this.#type.redact(extraData) : extraData);
  }

  /** Takes up a unit that was found on disk, if it is of this type and there is something left to do. */
  offer(type: WorkType): void {
    if (this.#type || type.name !== this.unit.status.WorkType) return;
    this.#type = type;
    if (this.unit.complete && type.unfinished?.(this.unit) === 'resume') this.unit.reopen();
    if (this.unit.complete) {
      // What it keeps outside the directory still has to be freed at its release.
      this.#worker = type.createWorker(this.unit);
      return;
    }
    const resume = () => void this.#inTurn(() => this.#resume(type));
    if (this.#isStarted()) this.#turns.occupy(this.unit, type);
    else if (this.#hasPayload() && !this.#turns.take(this.unit, type, resume)) {
      this.#announceWait(type);
      return;
    }
    resume();
  }

  /** Whether commands about the unit must be signed. */
  get verifiesSignature(): boolean {
    const type = this.#type;
    return type?.verifiesUnit?.(this.unit.status.ExtraData) ?? type?.verifiesSignature ?? false;
  }

  /** Starts the worker; see {@link Submission.start}. */
  start(): Promise<Outcome> {
    return this.#inTurn(async () => {
      const { unit } = this;
      if (unit.departure === 'released') {
        throw new ReceptorError('RECEPTOR_UNKNOWN_UNIT', `unknown work unit ${unit.id}`);
      }
      const type = this.#type;
      if (unit.complete || unit.departure || !type) {
        throw new ReceptorError(
          'RECEPTOR_WORK_START_FAILED',
          `work unit ${unit.id} was cancelled before it started`,
        );
      }
      const later = () =>
        void this.#inTurn(async () => {
          if (!unit.complete && !unit.departure) await this.#launch(type);
        }).catch((error: unknown) => unit.log.error(`Unit ${unit.id}: ${errorText(error)}`));
      if (this.#turns.take(unit, type, later)) return this.#launch(type);
      this.#announceWait(type);
      return 'done';
    });
  }

  /**
   * Removes a unit that was not started, for want of its whole payload; from then on it cannot be any more.
   * @returns false when its payload is whole, so that it is, or is about to be, started
   */
  withdraw(remove: () => Promise<void>): Promise<boolean> {
    return this.#inTurn(async () => {
      if (existsSync(this.unit.stdinPath)) return false;
      await this.unit.depart('released');
      await remove();
      await this.#letGo();
      return true;
    });
  }

  /** Ends the work, unless it has ended. */
  cancel(): Promise<Outcome> {
    return this.#inTurn(async () => {
      await this.#cancel();
      return this.unit.complete ? 'done' : outcomeOf(this.#worker);
    });
  }

  /** Ends the work, frees what it holds, and removes the unit. */
  release(force: boolean, remove: () => Promise<void>): Promise<Outcome> {
    const tolerate = async (step: () => Promise<void> | undefined) => {
      try {
        await step();
      } catch (error) {
        if (!force) throw error;
        this.unit.log.warning(`Error releasing unit ${this.unit.id}, which goes on: ${errorText(error)}`);
      }
    };
    return this.#inTurn(async () => {
      if (this.unit.departure) return 'done';
      if (!this.#worker?.releaseCancels) await tolerate(() => this.#cancel());
      await tolerate(() => this.#worker?.release(force));
      const outcome = outcomeOf(this.#worker);
      await this.unit.depart('released');
      try {
        await tolerate(remove);
      } catch (error) {
        this.unit.remain();
        throw error;
      }
      await tolerate(() => this.#letGo());
      return outcome;
    });
  }

  /** Lets go of the unit and its worker without ending the work. */
  detach(): Promise<void> {
    return this.#inTurn(async () => {
      if (!this.unit.departure) await this.unit.depart('detached');
      await this.#letGo();
    });
  }

  async #launch(type: WorkType): Promise<Outcome> {
    try {
      await this.#tellStart(type);
      this.#worker = type.createWorker(this.unit);
      await this.#worker.start();
      return outcomeOf(this.#worker);
    } catch (error) {
      const text = errorText(error);
      await this.#fail(`Error starting worker: ${text}`);
      if (error instanceof ReceptorError) throw error;
      throw new ReceptorError('RECEPTOR_WORK_START_FAILED', text, { cause: error });
    }
  }

  /** Where only some may run, a process after this one has to know that the unit does, before its worker says so. */
  async #tellStart({ maxRunning }: WorkType): Promise<void> {
    if (maxRunning === undefined) this.unit.announce(STARTING_WORKER);
    else await this.unit.update({ detail: STARTING_WORKER }).catch(() => undefined);
  }

  #announceWait({ name, maxRunning }: WorkType): void {
    this.unit.announce(`${WAITING_FOR_TURN}: at most ${maxRunning} of ${name} run at a time`);
  }

  async #letGo(): Promise<void> {
    const worker = this.#worker;
    this.#worker = undefined;
    await worker?.detach();
  }

  async #cancel(): Promise<void> {
    if (this.unit.complete || !this.#type) return;
    if (this.#worker) await this.#worker.cancel();
    else await this.unit.update({ state: WorkState.Canceled, detail: 'Canceled' });
  }

  async #resume(type: WorkType): Promise<void> {
    const { unit } = this;
    if (unit.departure || unit.complete) return;
    if (!this.#isStarted()) {
      if (!this.#hasPayload()) {
        await this.#fail('Pending at restart');
        return;
      }
      await this.#tellStart(type);
    }
    try {
      this.#worker = type.createWorker(unit);
      await this.#worker.resume();
    } catch (error) {
      await this.#fail(`Failed to restart: ${errorText(error)}`);
    }
  }

  /** Whether a worker has ever had to do with the unit, as far as its status says. */
  #isStarted(): boolean {
    const { State, Detail } = this.unit.status;
    const unstarted =
      [WAITING_FOR_INPUT, UNIT_CREATED].includes(Detail) || Detail.startsWith(WAITING_FOR_TURN);
    return State !== WorkState.Pending || !unstarted;
  }

  /** Whether the payload came in full. A Go daemon, known by its lock file, writes `stdin` while it comes. */
  #hasPayload(): boolean {
    return existsSync(this.unit.stdinPath) && !existsSync(join(this.unit.directory, 'status.lock'));
  }

  /** Fails the unit; a status that cannot be written is kept in memory and written later. */
  async #fail(detail: string): Promise<void> {
    await this.unit.update({ state: WorkState.Failed, detail }).catch(() => undefined);
  }

  #inTurn<T>(step: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(step);
    this.#turn = result.catch(() => undefined);
    return result;
  }
}

const outcomeOf = (worker: Worker | undefined): Outcome => (worker?.pending ? 'pending' : 'done');
