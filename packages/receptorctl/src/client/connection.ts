import type { Duplex } from 'node:stream';
import type { Command } from '@receptor/protocol';
import { encodeCommand, ReceptorError } from '@receptor/protocol';

/** The most of a line that is read; a list of a hundred thousand units fits. */
const MAX_LINE = 256 * 1024 * 1024;
const NEWLINE = 10;

/** Lines to and from a control service, over a stream that stays usable for the raw bytes behind a line. */
export class Connection {
  readonly stream: Duplex;
  #error: Error | undefined;
  #release: (() => void) | undefined;

  constructor(stream: Duplex) {
    this.stream = stream;
    stream.on('error', (error) => {
      this.#error ??= error;
    });
  }

  /** Has the connection end with a signal, and no longer with one named before. */
  endWith(signal: AbortSignal | undefined): void {
    this.#release?.();
    this.#release = undefined;
    if (!signal) return;
    const destroy = () => this.stream.destroy();
    const release = () => signal.removeEventListener('abort', destroy);
    signal.addEventListener('abort', destroy);
    this.stream.once('close', release);
    this.#release = () => {
      release();
      this.stream.off('close', release);
    };
    if (signal.aborted) destroy();
  }

  /** Sends a command and reads the line that answers it. */
  async ask(command: Command): Promise<string> {
    await this.write(encodeCommand(command));
    return this.readLine();
  }

  /** Sends a text, and waits while the peer does not take more. */
  async write(data: string | Uint8Array): Promise<void> {
    if (!this.stream.write(data)) await this.#wait(['drain']);
  }

  /**
   * Reads up to the next newline, which is dropped; what is behind it stays in the stream.
   * @throws ReceptorError `RECEPTOR_CONNECTION_LOST` when the stream ends before it
   */
  async readLine(): Promise<string> {
    const parts: Buffer[] = [];
    let length = 0;
    for (;;) {
      const chunk: Buffer | null = this.stream.read();
      if (chunk === null) {
        if (this.stream.readableEnded || this.stream.destroyed) throw this.#lost();
        await this.#wait(['readable', 'end']);
        continue;
      }
      const end = chunk.indexOf(NEWLINE);
      parts.push(end < 0 ? chunk : chunk.subarray(0, end));
      length += chunk.length;
      if (end >= 0) {
        if (end + 1 < chunk.length) this.stream.unshift(chunk.subarray(end + 1));
        return Buffer.concat(parts).toString().trim();
      }
      if (length > MAX_LINE) throw new ReceptorError('RECEPTOR_PROTOCOL', 'a line of the reply is too long');
    }
  }

  #lost(): ReceptorError {
    const message = 'the connection to the control service ended before the reply was complete';
    return new ReceptorError('RECEPTOR_CONNECTION_LOST', message, { cause: this.#error });
  }

  /** Waits for one of the events, or for the end of the connection. */
  #wait(events: readonly string[]): Promise<void> {
    const { stream } = this;
    return new Promise((resolve, reject) => {
      const settle = (error?: Error) => {
        for (const event of events) stream.off(event, onEvent);
        stream.off('close', onClose);
        if (error) reject(error);
        else resolve();
      };
      const onEvent = () => settle();
      const onClose = () => settle(this.#lost());
      for (const event of events) stream.on(event, onEvent);
      stream.on('close', onClose);
      if (stream.destroyed) settle(this.#lost());
    });
  }
}
