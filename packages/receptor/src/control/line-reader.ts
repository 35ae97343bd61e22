/** Which bound a command line went over. */
export type LineFault = 'line too long' | 'lines too long together';

/** Bytes of unfinished lines that all sessions of a server may hold together. */
export interface LineBudget {
  available: number;
}

const NEWLINE = 0x0a;
const EMPTY = Buffer.alloc(0);

/**
 * Cuts the bytes of a client into command lines and leaves what follows a newline untouched, because some commands
 * take it as raw data (reference: control, 1). Holds at most one unfinished line, within bounds.
 */
export class LineReader {
  readonly #maximum: number;
  readonly #budget: LineBudget;
  #chunk: Buffer = EMPTY;
  #offset = 0;
  /** The beginning of a line whose end has not come; grows by doubling, so that single bytes cost little. */
  #partial: Buffer = EMPTY;
  #partialLength = 0;
  #fault: LineFault | undefined;

  /**
   * @param maximum the longest line, in bytes
   * @param budget what this and other readers may hold of unfinished lines
   */
  constructor(maximum: number, budget: LineBudget) {
    this.#maximum = maximum;
    this.#budget = budget;
  }

  /** Set once a bound was met: no further line comes. */
  get fault(): LineFault | undefined {
    return this.#fault;
  }

  /** Whether there is the beginning of a line. True only after {@link next} returned undefined. */
  get unfinished(): boolean {
    return this.#partialLength > 0;
  }

  /** Takes the next bytes of the client. */
  push(chunk: Buffer): void {
    this.#chunk = this.#offset < this.#chunk.length ? Buffer.concat([this.rest(), chunk]) : chunk;
    this.#offset = 0;
  }

  /** The next whole line without its newline and without any `\r`; undefined when more bytes are needed. */
  next(): string | undefined {
    if (this.#fault !== undefined || this.#offset >= this.#chunk.length) return undefined;
    const end = this.#chunk.indexOf(NEWLINE, this.#offset);
    if (end < 0) {
      this.#keep(this.rest());
      return undefined;
    }
    if (this.#partialLength + end - this.#offset > this.#maximum) {
      this.#fail('line too long');
      return undefined;
    }
    let line: string;
    if (this.#partialLength > 0) {
      this.#keep(this.#chunk.subarray(this.#offset, end));
      if (this.#fault !== undefined) return undefined;
      line = this.#takePartial();
    } else {
      line = text(this.#chunk, this.#offset, end);
    }
    this.#offset = end + 1;
    return line;
  }

  /** What the client had sent of a last line without newline when it closed its side. */
  end(): string | undefined {
    if (this.#fault !== undefined || this.#partialLength === 0) return undefined;
    return this.#takePartial();
  }

  /** Takes the bytes after the line that {@link next} returned last. */
  rest(): Buffer {
    const rest = this.#chunk.subarray(this.#offset);
    this.#chunk = EMPTY;
    this.#offset = 0;
    return rest;
  }

  /** Gives back what is held. */
  discard(): void {
    this.rest();
    this.#release();
  }

  #keep(bytes: Buffer): void {
    const length = this.#partialLength + bytes.length;
    if (length > this.#maximum) {
      this.#fail('line too long');
    } else if (length <= this.#partial.length || this.#grow(length)) {
      bytes.copy(this.#partial, this.#partialLength);
      this.#partialLength = length;
    }
  }

  /** Makes room, if the budget has it. */
  #grow(length: number): boolean {
    const size = Math.min(Math.max(length, this.#partial.length * 2, 256), this.#maximum);
    const more = size - this.#partial.length;
    if (more > this.#budget.available) {
      this.#fail('lines too long together');
      return false;
    }
    this.#budget.available -= more;
    const grown = Buffer.allocUnsafeSlow(size);
    this.#partial.copy(grown, 0, 0, this.#partialLength);
    this.#partial = grown;
    return true;
  }

  #takePartial(): string {
    const line = text(this.#partial, 0, this.#partialLength);
    this.#release();
    return line;
  }

  #release(): void {
    this.#budget.available += this.#partial.length;
    this.#partial = EMPTY;
    this.#partialLength = 0;
  }

  #fail(fault: LineFault): void {
    this.#fault = fault;
    this.discard();
  }
}

function text(bytes: Buffer, start: number, end: number): string {
  const line = bytes.toString('utf8', start, end);
  return line.includes('\r') ? line.replaceAll('\r', '') : line;
}
