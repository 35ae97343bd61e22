import { Readable } from 'node:stream';

/** Where a payload's bytes come from. */
export interface PayloadSource {
  pause(): void;
  resume(): void;
}

/** What a client sends after its command, as a stream: it ends only where the client ended it. */
export class Payload extends Readable {
  readonly #source: PayloadSource;
  readonly #detach: () => void;

  /** @param signal aborted when the payload cannot become whole; its reason is the stream's error */
  constructor(source: PayloadSource, signal: AbortSignal) {
    super();
    this.#source = source;
    // Whoever reads it hears of the error; when nobody does any more, because the disk is full, nobody has to.
    this.on('error', () => {});
    const broken = () => this.destroy(signal.reason as Error);
    signal.addEventListener('abort', broken, { once: true });
    this.#detach = () => signal.removeEventListener('abort', broken);
    if (signal.aborted) broken();
  }

  /** Takes bytes from the source, and pauses it when they are enough. */
  feed(chunk: Buffer): void {
    if (!this.destroyed && !this.push(chunk)) this.#source.pause();
  }

  /** The client has ended its input. */
  finish(): void {
    if (!this.destroyed) this.push(null);
  }

  override _read(): void {
    this.#source.resume();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#detach();
    // Whatever else comes is read and dropped, or the end of the connection would not be seen.
    this.#source.resume();
    done(error);
  }
}
