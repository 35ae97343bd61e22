import type { WebSocket } from 'ws';
import type { CancelTimer, Clock } from '../clock.js';
import type { Session, SessionHandlers } from './backend.js';

/** WebSocket itself knows no limit worth the name; memory does. */
export const MAX_WEBSOCKET_MESSAGE = 1024 * 1024;
/** How long a session may take to send what is left before it is cut off. */
const LINGER = 1000;

/** A session over WebSocket: a message is a binary message (reference: mesh, 1.3). */
export class WebSocketSession implements Session {
  readonly remote: string;
  readonly maxMessage = MAX_WEBSOCKET_MESSAGE;
  readonly #socket: WebSocket;
  readonly #clock: Clock;
  #handlers: SessionHandlers | undefined;
  #early: Buffer[] = [];
  #error: Error | undefined;
  #closed = false;
  #corked = false;
  #cancelLinger: CancelTimer | undefined;

  constructor(socket: WebSocket, remote: string, clock: Clock) {
    this.#socket = socket;
    this.remote = remote;
    this.#clock = clock;
    socket.binaryType = 'nodebuffer';
    socket.on('message', (data) => this.#receive(data as Buffer));
    socket.on('error', (error) => {
      this.#error = error;
    });
    socket.once('close', (code) => {
      this.#closed = true;
      this.#cancelLinger?.();
      // A peer that just goes away, as Go nodes do, is no failure of ours.
      if (code !== 1000 && code !== 1005 && code !== 1006)
        this.#error ??= new Error(`websocket: close ${code}`);
      this.#handlers?.ended(this.#error);
    });
  }

  get backlog(): number {
    return this.#socket.bufferedAmount;
  }

  open(handlers: SessionHandlers): void {
    this.#handlers = handlers;
    for (const message of this.#early.splice(0)) handlers.message(message);
    if (this.#closed) handlers.ended(this.#error);
    else this.#socket.resume();
  }

  send(message: Buffer): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    this.#cork();
    // Masking and writing can be put off; the buffer may be used again before.
    this.#socket.send(Buffer.from(message), () => {
      if (this.backlog === 0) this.#handlers?.drained();
    });
  }

  close(): void {
    if (this.#cancelLinger || this.#closed) return;
    this.#socket.close(1000);
    this.#cancelLinger = this.#clock.schedule(LINGER, () => this.#socket.terminate());
  }

  #receive(message: Buffer): void {
    if (this.#handlers) {
      if (!this.#cancelLinger) this.#handlers.message(message);
      return;
    }
    this.#early.push(message);
    this.#socket.pause();
  }

  /** What is sent in one turn of the event loop leaves with one system call. */
  #cork(): void {
    if (this.#corked) return;
    const { _socket: stream } = this.#socket as unknown as {
      _socket?: { cork(): void; uncork(): void };
    };
    if (!stream) return;
    this.#corked = true;
    stream.cork();
    process.nextTick(() => {
      this.#corked = false;
      stream.uncork();
    });
  }
}
