/**
 * Output is compared, and its positions are counted, without the carriage returns that stand directly before a line
 * feed: runtimes leave one of them out of the log. No chunk that is handed to these functions ends inside such a run
 * ({@link CarriageHold} sees to it), so that each can be taken for itself.
 */
const CR = 13;
const LF = 10;
/** No honest output has more in a row; held back no longer. */
const RUN_LIMIT = 65_536;

/** `raw` without carriage returns before line feeds; `raw` itself where there are none. */
export function normalise(raw: Buffer): Buffer {
  let kept: Buffer[] | undefined;
  let from = 0;
  for (let at = raw.indexOf(CR); at >= 0; ) {
    const end = runEnd(raw, at);
    if (raw[end] === LF) {
      kept ??= [];
      kept.push(raw.subarray(from, at));
      from = end;
    }
    at = raw.indexOf(CR, end);
  }
  if (!kept) return raw;
  kept.push(raw.subarray(from));
  return Buffer.concat(kept);
}

/** How many bytes of `raw` make `count` bytes of what {@link normalise} returns, and no more than needed. */
export function rawLength(raw: Buffer, count: number): number {
  let left = count;
  let from = 0;
  for (let at = raw.indexOf(CR); at >= 0 && at - from < left; ) {
    const end = runEnd(raw, at);
    if (raw[end] === LF) {
      left -= at - from;
      from = end;
    }
    at = raw.indexOf(CR, end);
  }
  return Math.min(raw.length, from + left);
}

/** Carriage returns before a line feed: the line feed's position, and how many there are. */
export interface ReturnRun {
  readonly at: number;
  readonly count: number;
}

/** The runs of carriage returns in `raw` that {@link normalise} leaves out; `position` is that of its first byte. */
export function returnRuns(raw: Buffer, position: number): ReturnRun[] {
  const runs: ReturnRun[] = [];
  let left = 0;
  for (let at = raw.indexOf(CR); at >= 0; ) {
    const end = runEnd(raw, at);
    if (raw[end] === LF) {
      runs.push({ at: position + at - left, count: end - at });
      left += end - at;
    }
    at = raw.indexOf(CR, end);
  }
  return runs;
}

function runEnd(raw: Buffer, at: number): number {
  let end = at + 1;
  while (raw[end] === CR) end++;
  return end;
}

/** Holds carriage returns at the end of a chunk back until it is known what follows. */
export class CarriageHold {
  private held: Buffer = Buffer.alloc(0);

  /** How many are held. */
  get size(): number {
    return this.held.length;
  }

  push(chunk: Buffer): Buffer {
    if (chunk.length === 0) return chunk;
    const whole = this.held.length > 0 ? Buffer.concat([this.held, chunk]) : chunk;
    let end = whole.length;
    while (end > 0 && whole[end - 1] === CR) end--;
    if (whole.length - end > RUN_LIMIT) end = whole.length;
    this.held = Buffer.from(whole.subarray(end));
    return whole.subarray(0, end);
  }

  /** What is held; there is no more. */
  end(): Buffer {
    const held = this.held;
    this.held = Buffer.alloc(0);
    return held;
  }
}
