import { type Clock, StampFormat, systemClock } from './clock.js';
import { LogFile } from './file.js';
import { LogCursor, type LogReadOptions } from './reader.js';

/** How container logs are written, rotated and followed. */
export interface LogSettings {
  /** The runtime turns CRLF into LF, as containerd does. Default true. */
  foldCrlf: boolean;
  /** Longer lines are split into entries of so many bytes. Default 16384. */
  maxLineBytes: number;
  /** A file that has reached this size is rotated. Default 10 MiB. */
  maxBytes: number;
  /** Files that are kept, the newest included. Default 5. */
  keepFiles: number;
  /** Milliseconds between looks at the size; 0 looks at each entry. Default 10000, as the kubelet. */
  checkMs: number;
  /**
   * What a reader that follows loses at a rotation.
   * `behind` (default, as the kubelet): one that is behind goes on with the newest file only, and with none
   * if the container has ended. `unread`: everything it had not read yet. `never`: nothing.
   */
  loses: 'behind' | 'unread' | 'never';
  /** Time of the entries, in nanoseconds since 1970. Default the system's clock. */
  clock: Clock;
}

/** The settings that are in force when none are given: those of a kubelet with containerd. */
const defaultLogSettings = (): LogSettings => ({
  foldCrlf: true,
  maxLineBytes: 16 * 1024,
  maxBytes: 10 * 1024 * 1024,
  keepFiles: 5,
  checkMs: 10_000,
  loses: 'behind',
  clock: systemClock(),
});

/** containerd reads in pieces of this size, and splits a line only when it has one piece more than fits. */
const PIECE = 4096;

/** A line that has not ended yet. */
class Pending {
  readonly data: Buffer;
  length = 0;

  constructor(maxLineBytes: number) {
    this.data = Buffer.allocUnsafeSlow(maxLineBytes + PIECE);
  }
}

/**
 * The log of one container: files of timed entries, one entry for each line. A line appears when it is complete,
 * when it is longer than an entry may be, or when its stream ends.
 */
export class ContainerLog {
  readonly settings: LogSettings;
  readonly #format = new StampFormat();
  readonly #pending = new Map<string, Pending>();
  readonly #waiting = new Set<() => void>();
  #files: LogFile[] = [new LogFile()];
  #lastLook: bigint;
  #closed = false;

  constructor(settings: Partial<LogSettings> = {}) {
    this.settings = { ...defaultLogSettings(), ...settings };
    this.#lastLook = process.hrtime.bigint();
  }

  /** The file being written. */
  get newest(): LogFile {
    return this.#files.at(-1) as LogFile;
  }

  /** Whether the container has ended and nothing more will be written. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Takes output of the container. */
  write(stream: 'stdout' | 'stderr', chunk: Uint8Array): void {
    let pending = this.#pending.get(stream);
    if (!pending) {
      pending = new Pending(this.settings.maxLineBytes);
      this.#pending.set(stream, pending);
    }
    let at = 0;
    for (let end = chunk.indexOf(0x0a); end >= 0; end = chunk.indexOf(0x0a, at)) {
      this.#line(pending, chunk.subarray(at, end));
      at = end + 1;
    }
    if (at < chunk.length) this.#hold(pending, chunk.subarray(at));
    this.#wake();
  }

  /** Ends a stream: what stands without a newline becomes an entry without one. */
  end(stream: 'stdout' | 'stderr'): void {
    const pending = this.#pending.get(stream);
    if (pending && pending.length > 0) this.#flush(pending, pending.data.subarray(0, pending.length), true);
    this.#wake();
  }

  /** Ends the log: its followers end when they have read it. */
  close(): void {
    this.end('stdout');
    this.end('stderr');
    this.#closed = true;
    this.#wake();
  }

  /** Begins a new file now, and drops the oldest beyond those that are kept. */
  rotate(): void {
    const file = new LogFile();
    this.newest.next = file;
    this.#files.push(file);
    this.#files = this.#files.slice(-Math.max(1, this.settings.keepFiles));
  }

  /** Reads as the log API does; without `follow` it ends at the end of the newest file. */
  async *read(options: LogReadOptions = {}, signal?: AbortSignal): AsyncGenerator<Buffer, void> {
    const cursor = new LogCursor(this, options);
    for (;;) {
      for (let chunk = cursor.next(); chunk; chunk = cursor.next()) yield chunk;
      if (cursor.ended || !options.follow || signal?.aborted) return;
      if (!cursor.atEnd()) continue;
      if (this.#closed) return;
      await this.#change(signal);
    }
  }

  #change(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        this.#waiting.delete(done);
        signal?.removeEventListener('abort', done);
        resolve();
      };
      this.#waiting.add(done);
      signal?.addEventListener('abort', done, { once: true });
    });
  }

  #wake(): void {
    for (const wake of [...this.#waiting]) wake();
  }

  #line(pending: Pending, rest: Uint8Array): void {
    if (pending.length === 0 && rest.length <= this.settings.maxLineBytes) {
      this.#entry(this.#folded(rest), false);
      return;
    }
    this.#hold(pending, rest);
    this.#flush(pending, this.#folded(pending.data.subarray(0, pending.length)), false);
  }

  /** Writes all that is held, in as many entries as it takes. */
  #flush(pending: Pending, text: Uint8Array, partial: boolean): void {
    const max = this.settings.maxLineBytes;
    let at = 0;
    for (; text.length - at > max; at += max) this.#entry(text.subarray(at, at + max), true);
    this.#entry(text.subarray(at), partial);
    pending.length = 0;
  }

  #folded(line: Uint8Array): Uint8Array {
    return this.settings.foldCrlf && line.at(-1) === 0x0d ? line.subarray(0, -1) : line;
  }

  #hold(pending: Pending, text: Uint8Array): void {
    const max = this.settings.maxLineBytes;
    for (let at = 0; at < text.length; ) {
      const part = text.subarray(at, at + pending.data.length - pending.length);
      pending.data.set(part, pending.length);
      pending.length += part.length;
      at += part.length;
      if (pending.length === pending.data.length) {
        this.#entry(pending.data.subarray(0, max), true);
        pending.data.copyWithin(0, max, pending.length);
        pending.length -= max;
      }
    }
  }

  #entry(text: Uint8Array, partial: boolean): void {
    const time = this.settings.clock();
    this.newest.append(time, this.#format.format(time), text, partial);
    if (this.newest.bytes < this.settings.maxBytes) return;
    const now = process.hrtime.bigint();
    if (now - this.#lastLook < BigInt(this.settings.checkMs) * 1_000_000n) return;
    this.#lastLook = now;
    this.rotate();
  }
}
