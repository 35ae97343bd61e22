import { type FSWatcher, watch } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import type { Writable } from 'node:stream';
import { ReceptorError } from '@receptor/protocol';
import { errorCode } from '../error-text.js';
import type { Unit } from '../units/unit.js';

const CHUNK_BYTES = 512 * 1024;
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
    const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
    for await (const chunk of this.#read(() => buffer, this.#signal)) yield Buffer.from(chunk);
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
    let next = Buffer.allocUnsafe(CHUNK_BYTES);
    let other = Buffer.allocUnsafe(CHUNK_BYTES);
    let writing: Promise<void> | undefined;
    try {
      for await (const chunk of this.#read(() => next, signal)) {
        [next, other] = [other, next];
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
    let file: FileHandle | undefined;
    let alarm: Alarm | undefined;
    try {
      for (;;) {
        // Asked before reading: what is there once the unit is complete is all there will be.
        const last = unit.complete || unit.departure === 'released';
        file ??= await openIfThere(unit.stdoutPath);
        let found = 0;
        while (file) {
          assertGoingOn(unit, signal);
          const { bytesRead, buffer: chunk } = await file.read(buffer(), 0, CHUNK_BYTES, position);
          if (bytesRead === 0) break;
          position += bytesRead;
          found += bytesRead;
          yield chunk.subarray(0, bytesRead);
        }
        assertGoingOn(unit, signal);
        if (last || (await isRemoved(file, unit))) return;
        if (!alarm) {
          // Set up, then look once more: what came in between rang nobody.
          alarm = new Alarm(unit, signal);
          continue;
        }
        await alarm.rung(found < LITTLE_BYTES ? GATHER_MS : 0);
      }
    } finally {
      alarm?.close();
      await file?.close();
    }
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

async function openIfThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'r');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Whether somebody has deleted the output, or the whole directory, behind our back. */
async function isRemoved(file: FileHandle | undefined, unit: Unit): Promise<boolean> {
  if (file) return (await file.stat()).nlink === 0;
  return unit.isRemoved();
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
