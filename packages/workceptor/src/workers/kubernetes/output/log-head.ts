/*
 * A log that was rotated before it was read for the first time has lost its head, and the log itself does not say so: the
 * kubelet gives the newest file only, and that begins with a line like any other. What is known is when the container
 * began, when its output was first listened to, the time of the log's first line, and how fast it wrote from there on.
 */

/** A kubelet's default for the size at which a log is rotated. */
const FILE_BYTES = 10 << 20;
/** Not listened to for so long, there is a chance worth a word that the log was rotated: the kubelet looks every 10 seconds. */
const SHORT_MS = 1_000;
/** For so long, a container may have written a file full in a burst that its later rate does not show. */
const LONG_MS = 5_000;
/** By so much the times that are compared may be apart: both are whole seconds. */
const ROUNDING_MS = 2_000;
/** The rate is that of the first so many bytes; of fewer than the least it is none, as it may be that of one write. */
const SAMPLE_BYTES = 4 << 20;
const LEAST_BYTES = 1 << 20;

/** What {@link LogHead} goes by. Times are of the cluster's clocks, in milliseconds since the epoch. */
export interface HeadFacts {
  /** When the log was opened for the first time, and for how long it was not listened to between then and its first line. */
  readonly opened?: number;
  readonly missed: number;
  /** When the attach connection was opened that was there when the log was opened. */
  readonly attached?: number;
  /** For how long at most the container had run by then: the attempt before was told that it did not run. */
  readonly ranFor?: number;
  /** The log's first line. */
  readonly first?: number;
  /** Bytes of the first lines, and by how many milliseconds the last of them is younger than the first. */
  readonly bytes: number;
  readonly span: number;
  /** Attach is known to have brought the container's first byte. */
  readonly whole: boolean;
}

/** What may be wrong with the log's head: a sentence, and whether it is likely. */
export interface HeadDoubt {
  readonly likely: boolean;
  readonly text: string;
}

export const UNKNOWN_HEAD: HeadFacts = { missed: 0, bytes: 0, span: 0, whole: false };

/**
 * Whether the log may have lost its head before it was read. Likely: at the rate of what follows the container would have
 * filled a file in the time before.
 * @param startedAt when the container began, a whole second; undefined where nobody knows
 * @param endedAt when it ended
 */
export function headDoubt(
  facts: HeadFacts,
  startedAt: number | undefined,
  endedAt = Number.POSITIVE_INFINITY,
): HeadDoubt | undefined {
  const { attached, bytes, first, missed, opened, ranFor, span, whole } = facts;
  if (whole || opened === undefined || startedAt === undefined) return undefined;
  const listened = Math.min(opened, attached ?? opened);
  const unseen = Math.max(0, Math.min(first ?? endedAt, endedAt, listened) - startedAt) + missed;
  const most = Math.min(unseen, ranFor ?? unseen);
  if (most < SHORT_MS) return undefined;
  const least = Math.max(0, most - ROUNDING_MS);
  // Stamps can all be the same; then the rate is that of a millisecond.
  const rate = bytes < LEAST_BYTES ? 0 : bytes / Math.max(1, span);
  const likely = least > 0 && rate * least >= FILE_BYTES;
  if (!likely && rate * most < FILE_BYTES && most < LONG_MS) return undefined;
  const seconds = (most / 1000).toFixed(1);
  const text = `the output was not listened to in the container's first ${seconds} s, and a log that was rotated then has lost its beginning`;
  return { likely, text };
}

/** Keeps account of what there is to know about the log's head. */
export class LogHead {
  private lastEnd: number | undefined;
  private attachOpen: number | undefined;
  private attachFailed: number | undefined;
  /** The cluster's clock, compared with ours. */
  private offset = 0;

  constructor(public facts: HeadFacts = UNKNOWN_HEAD) {}

  /** Whether anything more is of interest. */
  get settled(): boolean {
    return this.facts.first !== undefined && this.facts.bytes >= SAMPLE_BYTES;
  }

  /** An attach connection was refused: the container does not run yet. @param asked when it was asked for, by our clock */
  onAttachFailed(asked: number): void {
    if (this.facts.opened === undefined) this.attachFailed = asked;
  }

  onAttachOpened(now: number): void {
    if (this.facts.opened === undefined) this.attachOpen = now;
  }

  onAttachClosed(): void {
    if (this.facts.opened === undefined) this.attachOpen = undefined;
  }

  /** Attach was found to begin with the output's first byte. */
  onWhole(): void {
    if (!this.facts.whole) this.facts = { ...this.facts, whole: true };
  }

  /** A stream of the whole log was opened. @param at when, by the cluster's clock, where that is known */
  onLogOpened(now: number, at: number | undefined): void {
    const { facts } = this;
    if (facts.first !== undefined) return;
    if (facts.opened === undefined) {
      this.offset = (at ?? now) - now;
      const { attachOpen, attachFailed } = this;
      this.facts = {
        ...facts,
        opened: now + this.offset,
        ...(attachOpen === undefined ? {} : { attached: attachOpen + this.offset }),
        ...(attachOpen === undefined || attachFailed === undefined
          ? {}
          : { ranFor: Math.max(0, attachOpen - attachFailed) }),
      };
    } else if (this.lastEnd !== undefined)
      this.facts = { ...facts, missed: facts.missed + Math.max(0, now - this.lastEnd) };
  }

  /** It ended. */
  onLogClosed(now: number): void {
    if (this.facts.first === undefined) this.lastEnd = now;
  }

  /** Lines were read. @param first time of the stream's first @param last and of the last @param bytes of content */
  onLines(first: bigint | undefined, last: bigint | undefined, bytes: number): void {
    if (first === undefined || this.facts.opened === undefined || this.settled) return;
    const { facts } = this;
    const begin = facts.first ?? Number(first / 1_000_000n);
    const end = last === undefined ? begin : Number(last / 1_000_000n);
    this.facts = {
      ...facts,
      first: begin,
      bytes: facts.bytes + bytes,
      span: Math.max(facts.span, end - begin),
    };
  }
}
