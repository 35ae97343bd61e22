import { type HeadFacts, UNKNOWN_HEAD } from './log-head.js';
import type { LogCursor } from './log-reader.js';
import type { Gap, Uncertain } from './types.js';

/** A state of the output that can be gone on from: what is in stdout up to `size` is what the log has up to `cursor`. */
export interface Checkpoint {
  /** Bytes of stdout, and the same in normalised bytes. */
  readonly size: number;
  readonly written: number;
  /** The place in the log, and its position, at most `written`. */
  readonly cursor: LogCursor | undefined;
  readonly logAt: number;
  /** Whether lines of both channels are in the output. */
  readonly mixed: boolean;
}

/** What is known to be wrong with the output, or may be. */
export interface Flaws {
  readonly gaps: readonly Gap[];
  readonly uncertain: readonly Uncertain[];
  /** Whether carriage returns before line feeds were seen in what attach brought. */
  readonly returns: boolean;
}

/** What an earlier process left. */
export interface MergeStart extends Flaws {
  /** As it was saved, and what stdout has now: as much or more. */
  readonly saved: Checkpoint;
  readonly size: number;
  readonly written: number;
  /** The end of the output, normalised. */
  readonly tail: Buffer;
  /** Where it is mixed: the lines behind the checkpoint. */
  readonly lines: Buffer;
  /** What is known of the log's beginning. */
  readonly head: HeadFacts;
}

/** Nothing yet. */
export const BEGINNING: Checkpoint = { size: 0, written: 0, cursor: undefined, logAt: 0, mixed: false };

/** No output yet, and nothing wrong with it. */
export const FRESH: MergeStart = {
  saved: BEGINNING,
  size: 0,
  written: 0,
  tail: Buffer.alloc(0),
  lines: Buffer.alloc(0),
  gaps: [],
  uncertain: [],
  returns: false,
  head: UNKNOWN_HEAD,
};
