const CR = 13;

/**
 * Cuts a stream at line ends, so that lines of standard output and standard error never run into each other. A line
 * that grows over the limit goes on in pieces, none of which ends with a carriage return.
 */
export class WholeLines {
  private parts: Buffer[] = [];
  private size = 0;

  constructor(public limit: number) {}

  /** Bytes of the line that is not whole yet. */
  get pending(): number {
    return this.size;
  }

  /** Takes bytes; returns what is whole, with what was held before it. */
  push(chunk: Buffer): Buffer {
    const end = chunk.lastIndexOf(10) + 1;
    if (end === 0) {
      if (chunk.length > 0) this.parts.push(chunk);
      this.size += chunk.length;
      return this.size > this.limit ? this.piece() : EMPTY;
    }
    const whole =
      this.size > 0 ? Buffer.concat([...this.parts, chunk.subarray(0, end)]) : chunk.subarray(0, end);
    this.keep(chunk.subarray(end));
    return whole;
  }

  /** What is held; there is no more. */
  end(): Buffer {
    const rest = Buffer.concat(this.parts);
    this.keep(EMPTY);
    return rest;
  }

  private piece(): Buffer {
    const all = this.end();
    let end = all.length;
    while (end > 0 && all[end - 1] === CR) end--;
    if (end === 0) end = all.length;
    this.keep(all.subarray(end));
    return all.subarray(0, end);
  }

  private keep(rest: Buffer): void {
    this.parts = rest.length > 0 ? [rest] : [];
    this.size = rest.length;
  }
}

const EMPTY = Buffer.alloc(0);

/** The lines of `bytes`, each with its newline; the last may have none. */
export function* linesOf(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; ) {
    const newline = bytes.indexOf(10, at);
    const end = newline < 0 ? bytes.length : newline + 1;
    yield bytes.subarray(at, end);
    at = end;
  }
}

/** So many lines may be more in one source than in the other at a place. */
const MORE_LINES = 64;
/** Agreement behind them that is taken for proof. */
const PROOF = 64;

/**
 * Whether `log` is what `other` is but for a few whole lines more, such of the other channel. It is not where
 * `log` goes on with what `other` has later. Undefined where there is too little of either to tell.
 */
export function hasMoreLines(log: Buffer, other: Buffer): boolean | undefined {
  let same = 0;
  while (same < log.length && same < other.length && log[same] === other[same]) same++;
  const start = same === 0 ? 0 : log.lastIndexOf(10, same - 1) + 1;
  const rest = other.subarray(start);
  for (let count = 0, from = start; count < MORE_LINES; count++) {
    const newline = log.indexOf(10, from);
    from = newline + 1;
    const length = Math.min(log.length - from, rest.length, PROOF);
    if (newline < 0 || length === 0) return undefined;
    const next = log.subarray(from, from + length);
    if (next.equals(rest.subarray(0, length))) return true;
    if (length === PROOF && rest.includes(next)) return false;
  }
  return false;
}
