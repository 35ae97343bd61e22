import { Duplex } from 'node:stream';
import type { Driver } from './driver.js';
import { QuicError } from './errors.js';
import { RESULT } from './exports.js';

/** Bytes that are read from or written to the engine in one call. */
const CHUNK = 256 << 10;

/** Flags in the result of `stream_read`; see crate/src/streams.rs. */
const END = 1 << 28;
const RESET = 1 << 29;
const TRANSMIT = 1 << 30;
const LENGTH = END - 1;

type Callback = (error?: Error | null) => void;

/**
 * A bidirectional stream of a connection.
 *
 * - `end()` closes the sending half only; its callback, and 'finish', mean that the peer has acknowledged every byte.
 * - `destroy()` gives up both halves, and tells the peer {@link QuicStream.abortCode}.
 * - Writing beyond what the peer takes waits; what is not read is not asked for.
 * - Errors: QUIC_STREAM_RESET and QUIC_STREAM_STOPPED by the peer, and whatever ended the connection. What arrived
 *   before the connection ended is delivered before its error.
 */
export class QuicStream extends Duplex {
  /** Number of the stream in its connection. */
  readonly id: number;
  /** What the peer is told when the stream is destroyed. */
  abortCode: number;

  readonly #driver: Driver;
  #bytesRead = 0;
  #bytesWritten = 0;
  #wanted = false;
  #pending: { chunks: Uint8Array[]; callback: Callback } | undefined;
  #finishing: Callback | undefined;
  /** Nothing more comes from the engine; nothing more goes to it. */
  #readEnded = false;
  #writeEnded = false;
  #stopped: QuicError | undefined;
  /** Why the connection ended, and what was still unread then. */
  #lost: QuicError | undefined;
  #rest: Buffer[] = [];

  /** Streams are made by {@link QuicConnection.openStream} and {@link QuicConnection.acceptStream}. */
  constructor(driver: Driver, id: number, abortCode: number) {
    super({ allowHalfOpen: true, readableHighWaterMark: CHUNK, writableHighWaterMark: CHUNK });
    this.#driver = driver;
    this.id = id;
    this.abortCode = abortCode;
    driver.streams.set(id, {
      readable: () => this.#wanted && this.#pull(),
      writable: () => this.#resume(),
      finished: () => this.#finished(),
      stopped: (code) => this.#onStopped(code),
      lost: (error) => this.#onLost(error),
    });
    this.once('end', () => this.#resolve());
  }

  /** Bytes that were read by the stream's user, or wait for it. */
  get bytesRead(): number {
    return this.#bytesRead;
  }

  /** Bytes that were handed over to be sent. */
  get bytesWritten(): number {
    return this.#bytesWritten;
  }

  /** Wants no more of what the peer sends, and says so with a code; the reading half ends. */
  stopReading(code: number): void {
    if (this.#readEnded || this.destroyed) return;
    this.#readEnded = true;
    this.#driver.change((module, connection) => module.stream_stop(connection, this.id, code));
    this.push(null);
  }

  /** Gives up what was written and not yet delivered, and says so with a code; the writing half ends. */
  reset(code: number): void {
    if (this.#writeEnded || this.destroyed) return;
    this.#writeEnded = true;
    this.#driver.change((module, connection) => module.stream_reset(connection, this.id, code));
    this.#settle(null);
    this.end();
  }

  override read(size?: number): unknown {
    const chunk: unknown = super.read(size);
    if (this.#lost) queueMicrotask(() => this.#resolve());
    return chunk;
  }

  override _read(): void {
    this.#wanted = true;
    this.#pull();
  }

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, callback: Callback): void {
    this.#write([chunk], callback);
  }

  override _writev(entries: { chunk: Uint8Array }[], callback: Callback): void {
    this.#write(
      entries.map((entry) => entry.chunk),
      callback,
    );
  }

  override _final(callback: Callback): void {
    if (this.#writeEnded) {
      callback();
      return;
    }
    if (this.#stopped) {
      callback(this.#stopped);
      return;
    }
    this.#finishing = callback;
    if (this.#lost) {
      this.#resolve();
      return;
    }
    const result = this.#driver.change((module, connection) => module.stream_finish(connection, this.id));
    if (result !== RESULT.stopped && result !== RESULT.gone) return;
    this.#settle(new QuicError('QUIC_CLOSED', 'the stream is closed'));
  }

  override _destroy(error: Error | null, callback: Callback): void {
    if (!this.#lost) {
      this.#driver.change((module, connection) => {
        if (!this.#readEnded) module.stream_stop(connection, this.id, this.abortCode);
        // What was ended in good order is still delivered.
        if (!this.#writeEnded && (error || !this.#finishing))
          module.stream_reset(connection, this.id, this.abortCode);
      });
    }
    this.#readEnded = true;
    this.#writeEnded = true;
    this.#rest = [];
    this.#driver.streams.delete(this.id);
    this.#settle(error ?? new QuicError('QUIC_CLOSED', 'the stream was destroyed'));
    callback(error);
  }

  #resume(): void {
    const pending = this.#pending;
    if (!pending) return;
    this.#pending = undefined;
    this.#write(pending.chunks, pending.callback);
  }

  /** The peer has everything. */
  #finished(): void {
    this.#writeEnded = true;
    this.#settle(null);
  }

  /** The peer wants no more. */
  #onStopped(code: number): void {
    this.#stopped = new QuicError(
      'QUIC_STREAM_STOPPED',
      `stream ${this.id} canceled by remote with error code ${code}`,
      { applicationCode: code },
    );
    if (this.#pending || this.#finishing) this.#settle(this.#stopped);
  }

  /** The connection has ended. What has arrived is kept for the reader, and its error until that has been read. */
  #onLost(error: QuicError): void {
    if (this.#lost || this.destroyed) return;
    for (let bytes = this.#take(); bytes !== undefined; bytes = this.#take()) this.#rest.push(bytes);
    this.#lost = error;
    // An orderly close by a peer that had said all it wanted: it needs no more of ours.
    const orderly = error.code === 'QUIC_CLOSED_BY_PEER' && error.applicationCode === 0;
    if (orderly && this.#readEnded && this.#finishing) this.#finished();
    if (this.#wanted) this.#pull();
    this.#resolve();
  }

  /** Ends a stream whose connection has ended, as soon as there is nothing left to be read. */
  #resolve(): void {
    if (!this.#lost || this.destroyed) return;
    const unread =
      this.#rest.length > 0 || this.readableLength > 0 || (this.#readEnded && !this.readableEnded);
    if (unread) {
      const ignored = this.readableFlowing === null && (this.#pending || this.#finishing);
      if (ignored) this.#fail(this.#lost);
    } else if (!this.#writeEnded || !this.#readEnded) {
      this.#fail(this.#lost);
    }
  }

  /** Who closed the connection here needs not be told of it by an error. */
  #fail(error: QuicError): void {
    this.destroy(error.code === 'QUIC_CLOSED' ? undefined : error);
  }

  /** Reads from the engine: bytes, which may be none at the end; undefined if there is nothing yet, or no more. */
  #take(): Buffer | undefined {
    if (this.#readEnded || this.#lost) return undefined;
    let reset: number | undefined;
    const bytes = this.#driver.call((module, connection, engine) => {
      const result = module.stream_read(connection, this.id, CHUNK);
      if (result < 0) {
        if (result === RESULT.gone) this.#readEnded = true;
        return undefined;
      }
      if (result & RESET) reset = module.code();
      if (result & (END | RESET)) this.#readEnded = true;
      if (result & TRANSMIT) this.#driver.touch();
      const copy = Buffer.allocUnsafeSlow(result & LENGTH);
      copy.set(engine.output(copy.length));
      return copy;
    });
    if (reset === undefined) return bytes;
    const message = `stream ${this.id} canceled by remote with error code ${reset}`;
    this.destroy(new QuicError('QUIC_STREAM_RESET', message, { applicationCode: reset }));
    return undefined;
  }

  #pull(): void {
    while (this.#wanted && !this.destroyed) {
      const bytes = this.#rest.shift() ?? this.#take();
      if (bytes !== undefined && bytes.length > 0) {
        this.#bytesRead += bytes.length;
        this.#wanted = this.push(bytes);
      }
      if (this.#readEnded && this.#rest.length === 0) {
        this.#wanted = false;
        if (!this.destroyed) this.push(null);
      } else if (bytes === undefined || bytes.length === 0) {
        return;
      }
    }
  }

  #write(chunks: Uint8Array[], callback: Callback): void {
    if (this.#writeEnded) {
      callback();
      return;
    }
    if (this.#stopped) {
      callback(this.#stopped);
      return;
    }
    let rest = chunks.filter((chunk) => chunk.length > 0);
    while (rest.length > 0) {
      const [now, later] = split(rest, CHUNK);
      const result = this.#lost
        ? RESULT.nothing
        : this.#driver.call((module, connection, engine) => {
            engine.input(...now);
            return module.stream_write(connection, this.id);
          });
      if (result === RESULT.gone) {
        callback(new QuicError('QUIC_CLOSED', 'the stream is closed'));
        return;
      }
      const written = Math.max(result ?? 0, 0);
      this.#bytesWritten += written;
      if (written > 0) this.#driver.touch();
      rest = [...split(now, written)[1], ...later];
      // Only after it has taken nothing does the engine tell when there is room.
      if (written === 0) {
        this.#pending = { chunks: rest, callback };
        if (this.#lost) this.#resolve();
        return;
      }
    }
    callback();
  }

  /** Answers those who wait for the writing half. */
  #settle(error: Error | null): void {
    const pending = this.#pending;
    const finishing = this.#finishing;
    this.#pending = undefined;
    this.#finishing = undefined;
    pending?.callback(error);
    finishing?.(error);
  }
}

/** Parts chunks after so many bytes. */
function split(chunks: readonly Uint8Array[], at: number): [Uint8Array[], Uint8Array[]] {
  const before: Uint8Array[] = [];
  let left = at;
  for (const [index, chunk] of chunks.entries()) {
    if (chunk.length > left) {
      if (left > 0) before.push(chunk.subarray(0, left));
      return [before, [chunk.subarray(left), ...chunks.slice(index + 1)]];
    }
    before.push(chunk);
    left -= chunk.length;
  }
  return [before, []];
}
