import { open, rm } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { ReceptorError, WorkState } from '@receptor/protocol';
import { errorText } from '../error-text.js';
import type { Unit } from './unit.js';

/** Detail of a unit whose payload has not come in full; it cannot be taken up after a restart. */
export const WAITING_FOR_INPUT = 'Waiting for Input Data';

/**
 * A unit that has an ID and waits for its payload. Call {@link receive}, then {@link start}; or {@link abandon} when
 * the payload turns out not to be whole.
 */
export class Submission {
  readonly #unit: Unit;
  readonly #start: () => Promise<void>;

  constructor(unit: Unit, start: () => Promise<void>) {
    this.#unit = unit;
    this.#start = start;
  }

  /** The unit's ID. */
  get id(): string {
    return this.#unit.id;
  }

  /**
   * Writes the payload to the unit's `stdin` file, to its end and with backpressure. A stream is not destroyed at
   * its end, so that a socket can still carry the reply. The payload of a unit that was cancelled or released
   * meanwhile is read and thrown away.
   * @throws ReceptorError `RECEPTOR_WORK_START_FAILED` when the payload breaks off or cannot be stored; the unit has
   * then failed with `Error reading input data: <text>`.
   */
  async receive(payload: Readable | AsyncIterable<Uint8Array>): Promise<void> {
    try {
      await this.#store(payload);
    } catch (error) {
      await this.abandon(errorText(error));
      throw new ReceptorError('RECEPTOR_WORK_START_FAILED', `Error reading input data: ${errorText(error)}`, {
        cause: error,
      });
    }
  }

  /**
   * Starts the unit.
   * @throws ReceptorError `RECEPTOR_WORK_START_FAILED` when the unit was cancelled meanwhile or cannot start,
   * `RECEPTOR_UNKNOWN_UNIT` when it was released.
   */
  start(): Promise<void> {
    return this.#start();
  }

  /** Ends the unit in state Failed without having started it, with `Error reading input data: <reason>`. */
  async abandon(reason: string): Promise<void> {
    const detail = `Error reading input data: ${reason}`;
    const failed = this.#unit.update({ state: WorkState.Failed, detail });
    // Half a payload is of no use, and it may be what fills the disk.
    if (!this.#unit.departure) await rm(this.#unit.stdinPath, { force: true }).catch(() => undefined);
    await failed.catch(() => undefined);
  }

  async #store(payload: Readable | AsyncIterable<Uint8Array>): Promise<void> {
    const unit = this.#unit;
    const file = await open(unit.stdinPath, 'wx', 0o600);
    let writing: Promise<void> | undefined;
    try {
      const chunks = payload instanceof Readable ? payload.iterator({ destroyOnReturn: false }) : payload;
      for await (const chunk of chunks) {
        await writing;
        if (unit.complete || unit.departure) continue;
        writing = file.appendFile(chunk);
        // Awaited at the next turn; that it is handled must be said now.
        writing.catch(() => undefined);
      }
      await writing;
    } finally {
      await writing?.catch(() => undefined);
      await file.close();
    }
  }
}
