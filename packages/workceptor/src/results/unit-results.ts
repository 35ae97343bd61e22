import { closeSync, type FSWatcher, read as fsRead, fstatSync, openSync, watch } from 'node:fs';
import type { Writable } from 'node:stream';
import { promisify } from 'node:util';
import { ReceptorError } from '@receptor/protocol';
import { errorCode } from '../error-text.js';
import type { Unit } from '../units/unit.js';

const read = promisify(fsRead);

const FIRST_CHUNK_BYTES = 16 * 1024;
const CHUNK_BYTES = 1024 * 1024;
/** How long a reader sleeps at most where nothing wakes it. */
const POLL_MS = 1000;
/** Reads that find little are kept this far apart, so that a unit which writes in small pieces costs little. */
const GATHER_MS = 3;
const LITTLE_BYTES = 64 * 1024;

/** The output of a unit, live; read it with `for await`, or send it with {@link pipeTo}. Use it once. */
export class UnitResults implements AsyncIterable<Buffer> {
  readonly #unit: Unit;
  readonly #startPosition: number;
  readonly #signal: AbortSignal | undefined;

  constructor(unit: Unit, startPosition: number, signal?: AbortSignal) {
    this.#unit = unit;
    this.#startPosition = startPosition;
    this.#signal = signal;
  }

  /** The output in pieces, each in memory of its own. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer, void, undefined> {
    const buffers = new Buffers();
    for await (const chunk of this.#read(() => buffers.next(), this.#signal)) {
      buffers.swap(chunk.length);
      yield Buffer.from(chunk);
    }
  }

  /**
   * Writes the output to a stream, with backpressure, and leaves the stream open; resolves when all has been written.
   * @throws ReceptorError `RECEPTOR_ABORTED` when the signal ends it, `RECEPTOR_CONNECTION_LOST` when the stream
   * closes before.
   */
  async pipeTo(stream: Writable): Promise<void> {
    const closed = new AbortController();
    const onClose = () => closed.abort();
    stream.once('close', onClose);
    if (stream.destroyed) closed.abort();
    const signal = this.#signal ? AbortSignal.any([closed.signal, this.#signal]) : closed.signal;
    // One piece is read while the one before it is on its way: two buffers, taken in turns.
    const buffers = new Buffers();
    let writing: Promise<void> | undefined;
    try {
      for await (const chunk of this.#read(() => buffers.next(), signal)) {
        buffers.swap(chunk.length);
        await writing;
        writing = write(stream, chunk);
        writing.catch(() => undefined);
      }
      await writing;
    } catch (error) {
      if (!closed.signal.aborted) throw error;
      throw new ReceptorError('RECEPTOR_CONNECTION_LOST', 'the stream closed before all results were sent');
    } finally {
      stream.off('close', onClose);
    }
  }

  async *#read(
    buffer: () => Buffer,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Buffer, void, undefined> {
    const unit = this.#unit;
    if (this.#startPosition < 0) return;
    let position = this.#startPosition;
    let file: number | undefined;
    let alarm: Alarm | undefined;
    const endRead = unit.beginRead();
    try {
      for (;;) {
        // Asked before reading: what is there once the unit is complete is all there will be.
        const last = unit.complete || unit.departure === 'released';
        const before = position;
        file ??= openIfThere(unit.stdoutPath);
        while (file !== undefined && fstatSync(file).size > position) {
          assertGoingOn(unit, signal);
          const target = buffer();
          const { bytesRead } = await read(file, target, 0, target.length, position);
          if (bytesRead === 0) break;
          position += bytesRead;
          yield target.subarray(0, bytesRead);
        }
        assertGoingOn(unit, signal);
        if (last || isRemoved(file, unit)) return;
        if (!alarm) {
          // Set up, then look once more: what came in between rang nobody.
          alarm = new Alarm(unit, signal);
          continue;
        }
        await alarm.rung(position - before < LITTLE_BYTES ? GATHER_MS : 0);
      }
    } finally {
      endRead();
      alarm?.close();
      if (file !== undefined) closeSync(file);
    }
  }
}

/** Two buffers in turns; small ones until one has been filled. */
class Buffers {
  #next = Buffer.allocUnsafe(FIRST_CHUNK_BYTES);
  #other = Buffer.allocUnsafe(0);
  #size = FIRST_CHUNK_BYTES;

  next(): Buffer {
    return this.#next;
  }

  /** Turns to the other one, because of the next so many bytes are in use. */
  swap(used: number): void {
    if (used === this.#next.length) this.#size = CHUNK_BYTES;
    [this.#next, this.#other] = [this.#other, this.#next];
    if (this.#next.length < this.#size) this.#next = Buffer.allocUnsafe(this.#size);
  }
}

function write(stream: Writable, chunk: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(chunk, (error) => (error ? reject(error) : resolve()));
  });
}

function assertGoingOn(unit: Unit, signal: AbortSignal | undefined): void {
  if (!signal?.aborted && unit.departure !== 'detached') return;
  throw new ReceptorError('RECEPTOR_ABORTED', `results of unit ${unit.id} ended before they were complete`);
}

function openIfThere(path: string): number | undefined {
  try {
    return openSync(path, 'r');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Whether somebody has deleted the output, or the whole directory, behind our back. */
function isRemoved(file: number | undefined, unit: Unit): boolean {
  return file === undefined ? unit.isRemoved() : fstatSync(file).nlink === 0;
}

/** Wakes one sleeper: when the unit changes, when a file in its directory does, or after a while. */
class Alarm {
  readonly #unit: Unit;
  readonly #signal: AbortSignal | undefined;
  readonly #stopListening: () => void;
  #watcher: FSWatcher | undefined;
  #ringing = false;
  #wake: (() => void) | undefined;
  readonly #ring = () => {
    this.#ringing = true;
    this.#wake?.();
  };

  constructor(unit: Unit, signal: AbortSignal | undefined) {
    this.#unit = unit;
    this.#signal = signal;
    this.#stopListening = unit.onChange(this.#ring);
    signal?.addEventListener('abort', this.#ring);
    try {
      this.#watcher = watch(unit.directory, this.#ring);
      this.#watcher.on('error', () => this.#watcher?.close());
    } catch {
      // No watch to be had (there is a limit to them): looking now and then has to do.
    }
  }

  /** Resolves once it has rung, and `gatherMs` have passed since then or nothing more is to come. */
  async rung(gatherMs: number): Promise<void> {
    await this.#sleep(POLL_MS, () => this.#ringing || this.#isUrgent());
    if (gatherMs > 0) await this.#sleep(gatherMs, () => this.#isUrgent());
    this.#ringing = false;
  }

  close(): void {
    this.#stopListening();
    this.#signal?.removeEventListener('abort', this.#ring);
    this.#watcher?.close();
  }

  #isUrgent(): boolean {
    return this.#unit.complete || this.#unit.departure !== undefined || (this.#signal?.aborted ?? false);
  }

  /** Sleeps until the condition holds, which is asked at every ring, but not longer than `ms`. */
  #sleep(ms: number, isOver: () => boolean): Promise<void> {
    if (isOver()) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.#wake = undefined;
        resolve();
      };
      const timer = setTimeout(wake, ms);
      this.#wake = () => {
        if (isOver()) wake();
      };
    });
  }
}
