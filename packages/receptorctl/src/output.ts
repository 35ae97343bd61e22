import type { Readable, Writable } from 'node:stream';

/** Where a command reads and writes; a process has this shape. The streams are looked at only when needed. */
export interface Streams {
  readonly stdin: Readable & { isTTY?: boolean; setRawMode?(raw: boolean): unknown };
  readonly stdout: Writable & { isTTY?: boolean };
  readonly stderr: Writable & { isTTY?: boolean; columns?: number };
}

const RED = 31;
const MAGENTA = 35;
const CYAN = 36;

/** Makes control characters visible, so that no peer's text can steer the terminal; line ends and tabs stay. */
function harmless(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, (char) => {
    return `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`;
  });
}

/** What a person or a script sees: results on stdout, errors and warnings on stderr, colours on terminals only. */
export class Output {
  readonly streams: Streams;
  readonly env: NodeJS.ProcessEnv;

  constructor(streams: Streams, env: NodeJS.ProcessEnv) {
    this.streams = streams;
    this.env = env;
  }

  /** Writes a line to stdout. */
  line(text = ''): void {
    this.streams.stdout.write(`${harmless(text)}\n`);
  }

  /** Writes text of our own to stdout as it stands. */
  text(text: string): void {
    this.streams.stdout.write(text);
  }

  /**
   * Writes bytes to stdout as they are; settles when they are out, which is the backpressure of a stream.
   * @param signal ends the wait for a reader that does not read
   */
  bytes(chunk: Uint8Array, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = () => reject(signal.reason);
      if (signal.aborted) return onAbort();
      signal.addEventListener('abort', onAbort);
      this.streams.stdout.write(chunk, (error) => {
        signal.removeEventListener('abort', onAbort);
        if (error) reject(error);
        else resolve();
      });
    });
  }

  error(text: string): void {
    this.#notice(`ERROR: ${text}`, RED);
  }

  warning(text: string): void {
    this.#notice(`Warning: ${text}`, MAGENTA);
  }

  /** Tells a person something on stderr that is neither error nor warning. */
  note(text: string): void {
    this.streams.stderr.write(`${harmless(text)}\n`);
  }

  /** Tells a person at a terminal what to do next; scripts see the Python client's words alone. */
  hint(text: string): void {
    if (this.streams.stderr.isTTY) this.#notice(`Hint: ${text}`, CYAN);
  }

  #notice(text: string, colour: number): void {
    const { stderr } = this.streams;
    const plain = harmless(text);
    const coloured = stderr.isTTY && !this.env.NO_COLOR;
    stderr.write(coloured ? `\u001b[${colour}m${plain}\u001b[0m\n` : `${plain}\n`);
  }
}
