import { normalise, rawLength } from './normalise.js';
import type { Window } from './window.js';

/** How much of the output is looked for, in bytes. */
export const PATTERN = 4096;
/** Shorter agreements prove nothing. */
const LEAST = 16;

/**
 * Finds the place in a log that has been opened somewhere: the end of the output, or where that repeats itself what was
 * before it, is looked for in what comes, and the beginning of what comes in the output.
 */
export class Seek {
  /** The position behind the pattern. */
  readonly goal: number;
  /** Whether all that is known of the output repeats itself, so that finding it would prove nothing. */
  readonly repetitive: boolean;
  /** Whether its end does. */
  private readonly endRepeats: boolean;
  /** Whether anything came. */
  sawBytes = false;
  private readonly pattern: Buffer;
  private tail: Buffer = Buffer.alloc(0);
  /** The first bytes that came. */
  private head: Buffer = Buffer.alloc(0);

  constructor(
    private readonly output: Window,
    /** Where the log was opened: near the time of interest, or at its beginning. */
    readonly place: 'near' | 'start',
  ) {
    let goal = output.end;
    this.endRepeats = !showsPlace(output, goal);
    for (let back = PATTERN; this.endRepeats && output.end - back - PATTERN >= output.start; back *= 2) {
      if (!showsPlace(output, output.end - back)) continue;
      goal = output.end - back;
      break;
    }
    this.goal = goal;
    this.repetitive = this.endRepeats && goal === output.end;
    this.pattern = Buffer.from(output.slice(goal - PATTERN, goal));
  }

  /** Takes content of the log. When the place is found: the position that `rest`, the content's remainder, begins at, and `by` what. */
  push(raw: Buffer): { at: number; rest: Buffer; by: Buffer } | undefined {
    const norm = normalise(raw);
    if (norm.length === 0) return undefined;
    this.sawBytes = true;
    const before = this.tail.length;
    const seen = Buffer.concat([this.tail, norm]);
    const found = this.repetitive ? -1 : seen.indexOf(this.pattern);
    if (found >= 0) {
      const end = found + this.pattern.length - before;
      return { at: this.goal, rest: raw.subarray(rawLength(raw, end)), by: this.pattern };
    }
    this.tail = Buffer.from(seen.subarray(-(PATTERN - 1)));
    const missing = PATTERN - this.head.length;
    if (missing <= 0) return undefined;
    this.head = Buffer.concat([this.head, norm.subarray(0, missing)]);
    const at = this.head.length === PATTERN ? this.placeOfHead() : undefined;
    // `missing` bytes of this chunk complete the head; the rest of it comes after.
    if (at === undefined) return undefined;
    return { at: at + PATTERN, rest: raw.subarray(rawLength(raw, missing)), by: this.head };
  }

  /** Whether what came last is what the output ends with. */
  endsLike(output: Window): boolean {
    return this.tail.length > 0 && output.agrees(output.end - this.tail.length, this.tail);
  }

  /** How many of the first bytes that came are the end of the output: a rotation can cut between two writes. */
  overlap(output: Window): number {
    const least = this.head.subarray(0, LEAST);
    if (least.length < LEAST || this.endRepeats) return 0;
    const from = output.end - PATTERN;
    for (let at = output.find(least, from); at !== undefined; at = output.find(least, at + 1)) {
      const end = output.slice(at, output.end);
      if (end.length <= this.head.length && end.equals(this.head.subarray(0, end.length))) return end.length;
    }
    return 0;
  }

  private placeOfHead(): number | undefined {
    if (isRepetitive(this.head)) return undefined;
    const at = this.output.find(this.head, this.output.start);
    return at !== undefined && this.output.find(this.head, at + 1) === undefined ? at : undefined;
  }
}

/** Whether what stands before a position is nowhere else in what is known of the output, so that it shows the place. */
export function showsPlace(output: Window, end: number): boolean {
  const pattern = output.slice(end - PATTERN, end);
  return !isRepetitive(pattern) && output.find(pattern, output.start) === end - pattern.length;
}

/** Whether `bytes` are a repetition of something at most half as long. */
function isRepetitive(bytes: Buffer): boolean {
  const failure = new Uint32Array(bytes.length);
  for (let at = 1, length = 0; at < bytes.length; at++) {
    while (length > 0 && bytes[at] !== bytes[length]) length = failure[length - 1] ?? 0;
    if (bytes[at] === bytes[length]) length++;
    failure[at] = length;
  }
  const border = failure[bytes.length - 1] ?? 0;
  return bytes.length - border <= bytes.length / 2;
}
