import { closeSync, writev as fsWritev, openSync, renameSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { ReceptorError, WorkState } from '@receptor/protocol';
import { errorText } from '../error-text.js';
import type { Outcome } from './assignment.js';
import type { Unit } from './unit.js';

const writev = promisify(fsWritev);

/** Detail of a unit from its allocation until its worker has something to say of it. */
export const WAITING_FOR_INPUT = 'Waiting for Input Data';
/** What the name of a payload that has not come in full has in addition. */
const ASIDE = '.new';
/** Of a payload, what may wait for the disk. */
const PENDING_BYTES = 1024 * 1024;

/**
 * A unit that has an ID and waits for its payload. Call {@link receive}, then {@link start}; or {@link abandon} when
 * the payload turns out not to be whole.
 */
export class Submission {
  /** Whether the unit has been started: its submit has come before. Nothing more is to be called. */
  readonly started: boolean;
  readonly #unit: Unit;
  readonly #start: () => Promise<Outcome>;

  constructor(unit: Unit, start: () => Promise<Outcome>, started = false) {
    this.started = started;
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
   * @returns `pending` when the start goes on in the background, because another node cannot be reached
   * @throws ReceptorError `RECEPTOR_WORK_START_FAILED` when the unit was cancelled meanwhile or cannot start,
   * `RECEPTOR_UNKNOWN_UNIT` when it was released.
   */
  start(): Promise<Outcome> {
    return this.#start();
  }

  /** Ends the unit in state Failed without having started it, with `Error reading input data: <reason>`. */
  async abandon(reason: string): Promise<void> {
    const detail = `Error reading input data: ${reason}`;
    // A status that cannot be written is in force all the same, and written later.
    const failed = this.#unit.update({ state: WorkState.Failed, detail }).catch(() => undefined);
    // Half a payload is of no use, and it may be what fills the disk.
    if (!this.#unit.departure) await rm(this.#unit.stdinPath + ASIDE, { force: true }).catch(() => undefined);
    await failed;
  }

  /** Writes the payload aside, so that a `stdin` file is one that came in full, whatever happens to us. */
  async #store(payload: Readable | AsyncIterable<Uint8Array>): Promise<void> {
    const unit = this.#unit;
    const aside = unit.stdinPath + ASIDE;
    const isUnwanted = () => unit.complete || unit.departure !== undefined;
    const file = isUnwanted() ? undefined : openSync(aside, 'wx', 0o600);
    const sink = new PayloadSink(async (chunks) => {
      if (file !== undefined && !isUnwanted()) await writeAll(file, chunks);
    });
    try {
      await pipeline(payload instanceof Readable ? payload : Readable.from(payload), sink);
    } finally {
      await sink.settled;
      if (file !== undefined) closeSync(file);
    }
    if (!isUnwanted()) renameSync(aside, unit.stdinPath);
  }
}

/** Stores what has come while the disk was busy in one go, as it came: copied together it would cost as much again. */
class PayloadSink extends Writable {
  readonly #store: (chunks: readonly Uint8Array[]) => Promise<void>;
  /** Resolves when nothing is being stored. */
  settled: Promise<void> = Promise.resolve();

  constructor(store: (chunks: readonly Uint8Array[]) => Promise<void>) {
    super({ highWaterMark: PENDING_BYTES });
    this.#store = store;
  }

  override _write(chunk: Uint8Array, _encoding: string, done: (error?: Error) => void): void {
    this.#take([chunk], done);
  }

  override _writev(chunks: readonly { chunk: Uint8Array }[], done: (error?: Error) => void): void {
    this.#take(
      chunks.map(({ chunk }) => chunk),
      done,
    );
  }

  #take(chunks: readonly Uint8Array[], done: (error?: Error) => void): void {
    this.settled = this.#store(chunks).then(() => done(), done);
  }
}

async function writeAll(file: number, chunks: readonly Uint8Array[]): Promise<void> {
  for (let rest = chunks; rest.length > 0; ) {
    const { bytesWritten } = await writev(file, rest);
    rest = without(rest, bytesWritten);
  }
}

/** What is left when so many bytes are taken away from the beginning. */
function without(chunks: readonly Uint8Array[], bytes: number): readonly Uint8Array[] {
  let left = bytes;
  const first = chunks.findIndex((chunk) => {
    if (chunk.length > left) return true;
    left -= chunk.length;
    return false;
  });
  const [cut, ...rest] = first < 0 ? [] : chunks.slice(first);
  return cut === undefined ? [] : [cut.subarray(left), ...rest];
}
