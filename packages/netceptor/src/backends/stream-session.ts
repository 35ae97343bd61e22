import type { Duplex } from 'node:stream';
import type { CancelTimer, Clock } from '../clock.js';
import { FRAME_HEADER, FrameDecoder } from '../wire/frame.js';
import { MAX_MESSAGE } from '../wire/message.js';
import type { Session, SessionHandlers } from './backend.js';

/** Messages of up to the one size are gathered in pieces of up to the other; to copy larger ones costs more than it saves. */
const SMALL = 4 * 1024;
const BATCH = 16 * 1024;
/** How long a session may take to send what is left before it is cut off. */
const LINGER = 1000;

/**
 * A session over a byte stream, such as a TCP or TLS socket, with a length before every message (reference: mesh, 1.1).
 * What is sent in one turn of the event loop leaves with one system call.
 */
export class StreamSession implements Session {
  readonly remote: string;
  readonly maxMessage = MAX_MESSAGE;
  readonly #stream: Duplex;
  readonly #clock: Clock;
  readonly #decoder = new FrameDecoder();
  #handlers: SessionHandlers | undefined;
  #error: Error | undefined;
  #batch: Buffer | undefined;
  #filled = 0;
  #corked = false;
  #closing = false;
  #cancelLinger: CancelTimer | undefined;

  constructor(stream: Duplex, remote: string, clock: Clock) {
    this.#stream = stream;
    this.remote = remote;
    this.#clock = clock;
    stream.on('error', (error) => {
      this.#error = error;
    });
    stream.once('close', () => {
      this.#cancelLinger?.();
      this.#handlers?.ended(this.#error);
    });
  }

  get backlog(): number {
    return this.#filled + this.#stream.writableLength;
  }

  open(handlers: SessionHandlers): void {
    this.#handlers = handlers;
    const deliver = (message: Buffer) => {
      if (!this.#closing) handlers.message(message);
    };
    this.#stream.on('data', (chunk: Buffer) => this.#decoder.push(chunk, deliver));
    this.#stream.on('drain', () => handlers.drained());
    // A peer that has ended its side is gone: there is no message it could still wait for.
    this.#stream.once('end', () => this.#stream.destroy());
    if (this.#stream.destroyed) handlers.ended(this.#error);
  }

  send(message: Buffer): void {
    if (this.#closing || this.#stream.destroyed) return;
    this.#cork();
    const size = FRAME_HEADER + message.length;
    if (size > SMALL) {
      this.#flush();
      const header = Buffer.allocUnsafe(FRAME_HEADER);
      header.writeUInt16LE(message.length);
      this.#stream.write(header);
      this.#stream.write(message);
      return;
    }
    if (this.#batch && this.#filled + size > this.#batch.length) this.#flush();
    this.#batch ??= Buffer.allocUnsafe(BATCH);
    this.#batch.writeUInt16LE(message.length, this.#filled);
    this.#batch.set(message, this.#filled + FRAME_HEADER);
    this.#filled += size;
  }

  close(): void {
    if (this.#closing) return;
    this.#flush();
    this.#closing = true;
    // The peer closes in answer, or is cut off.
    this.#stream.end();
    this.#cancelLinger = this.#clock.schedule(LINGER, () => this.#stream.destroy());
    this.#stream.once('finish', () => this.#stream.destroy());
  }

  /** What is sent until the end of this turn leaves together. */
  #cork(): void {
    if (this.#corked) return;
    this.#corked = true;
    this.#stream.cork();
    process.nextTick(() => {
      this.#corked = false;
      this.#flush();
      this.#stream.uncork();
    });
  }

  #flush(): void {
    const batch = this.#batch;
    if (!batch || this.#filled === 0) return;
    const full = batch.subarray(0, this.#filled);
    this.#batch = batch.length - this.#filled >= SMALL ? batch.subarray(this.#filled) : undefined;
    this.#filled = 0;
    if (!this.#stream.destroyed) this.#stream.write(full);
  }
}
