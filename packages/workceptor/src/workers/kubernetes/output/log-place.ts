import type { LogCursor } from './log-reader.js';
import { normalise } from './normalise.js';
import { Recurrence } from './recurrence.js';
import { Seek } from './seek.js';
import { parseStamp } from './stamp.js';
import type { Window } from './window.js';

const CLOCK_SLACK_NS = 2_000_000_000n;
/**
 * A log that was left no further back is read through: counting is right whatever the output says. One further back is
 * looked for by content, which is sooner done.
 */
const READ_THROUGH = 4 * 2 ** 30;
const NOTHING = Buffer.alloc(0);

/** Where the log is to be opened. Each order has a new `id`. */
export type LogOrder = { readonly id: number } & (
  | { readonly kind: 'resume' | 'after'; readonly cursor: LogCursor | undefined }
  /** From about this time (nanoseconds since the epoch). */
  | { readonly kind: 'near'; readonly time: bigint }
  /** Everything there is. */
  | { readonly kind: 'start' }
  /** Not at all, for now. */
  | { readonly kind: 'park' }
  /** The present stream is kept, and not read for now: while it is open, a rotation takes nothing from it. */
  | { readonly kind: 'hold' }
  /** As `hold`, and when the container has ended the last entries are read beside it. */
  | { readonly kind: 'tail'; readonly lines: number }
  /** The stream that was kept is read again; one that has ended since is opened anew behind the cursor. */
  | { readonly kind: 'release'; readonly cursor: LogCursor | undefined }
);

/** A place in the log and its position. */
export interface Place {
  readonly cursor: LogCursor | undefined;
  readonly at: number;
}

/** Content of the log whose position is known, and the place before the chunk it is of. */
export interface Placed {
  readonly raw: Buffer;
  readonly origin: Place;
}

/**
 * Where the log is read, and at which position of the output that is. It is `found` while that is known; it can be
 * looked for (`seek`), or the log is not read for now (`parked`).
 */
export class LogPlace {
  order: LogOrder;
  /** Position of the next byte; undefined while it is not known. */
  at: number | undefined;
  cursor: LogCursor | undefined;
  seek: Seek | undefined;
  parked = false;
  /** Parked with the stream at the place that was left. */
  private held = false;
  /** The container has ended and the log was read to its end. */
  ended = false;
  /** The log will not be read. */
  refused = false;
  /** Whether something was written from where the log is now. */
  used = false;
  /** Whether the place was found by content that came again, so that it may be the wrong one. */
  private recurs = false;
  private recurrence: Recurrence | undefined;
  /** Entries later than this are not what is looked for; nanoseconds since the epoch. */
  private soughtUntil: bigint | undefined;
  /** Something of it was gone before it was read. */
  lossy = false;
  /** While `at` is not known: the last place that was. */
  private left: Place | undefined;
  private readySince: number | undefined;
  private lastAt = 0;

  constructor(cursor: LogCursor | undefined, at: number) {
    this.cursor = cursor;
    this.at = at;
    this.order = { id: 0, kind: 'resume', cursor };
  }

  /** A place that can be gone on from. */
  get place(): Place {
    return this.left ?? { cursor: this.cursor, at: this.at ?? 0 };
  }

  /** Whether something was written from a place that may be the wrong one. */
  get unproven(): boolean {
    return this.recurs && this.used;
  }

  /** Whether the log is being read and has come to its newest bytes, as far as can be told. */
  onReady(now: number, ready: boolean): void {
    if (!ready) this.readySince = undefined;
    else this.readySince ??= now;
  }

  /** Milliseconds for which it has been read to its end and silent; 0 while it is behind, without end when nothing will come. */
  quiet(now: number): number {
    if (this.ended || this.parked) return Number.POSITIVE_INFINITY;
    return this.readySince === undefined ? 0 : now - Math.max(this.readySince, this.lastAt);
  }

  /** Takes what was read; while the place is looked for, what comes before it is dropped. */
  take(now: number, content: Buffer, cursor: LogCursor | undefined): Placed {
    this.lastAt = now;
    const before = this.cursor;
    this.cursor = cursor;
    if (!this.seek) {
      this.watch(content);
      return { raw: content, origin: { cursor: before, at: this.at ?? 0 } };
    }
    const found = this.seek.push(content);
    if (!found) return { raw: NOTHING, origin: { cursor: before, at: 0 } };
    const passed = normalise(content).length - normalise(found.rest).length;
    this.found(found.at);
    this.recurrence = new Recurrence(found.by);
    this.watch(found.rest);
    return { raw: found.rest, origin: { cursor: before, at: found.at - passed } };
  }

  give(order: DistributiveOmit<LogOrder, 'id'>): void {
    this.readySince = undefined;
    this.ended = false;
    this.order = { id: this.order.id + 1, ...order } as LogOrder;
  }

  /**
   * Looks for the end of `known` in the log.
   * @param latest when the output's end was written, by our clock
   */
  startSeek(known: Window, where: 'near' | 'start', latest: number): void {
    this.leave();
    this.parked = false;
    this.held = false;
    const stamp = this.cursor && parseStamp(this.cursor.stamp);
    // The log's clock, as far as it was seen, moved on by ours.
    const elapsed = BigInt(Math.floor(Math.max(0, latest - this.lastAt))) * 1_000_000n;
    const time = stamp === undefined ? undefined : stamp + elapsed;
    this.soughtUntil = time === undefined ? undefined : time + CLOCK_SLACK_NS;
    if (where === 'start' || time === undefined) {
      this.seek = new Seek(known, 'start');
      this.give({ kind: 'start' });
      return;
    }
    this.seek = new Seek(known, 'near');
    this.give({ kind: 'near', time: time - CLOCK_SLACK_NS });
  }

  /** Goes on after {@link park}. */
  resume(known: Window, latest: number): void {
    const { held, left } = this;
    if (held && left && known.end - left.at <= READ_THROUGH) {
      this.goOn(left, 'release');
      return;
    }
    this.startSeek(known, 'near', latest);
    // Content would prove nothing; counting from where the log was left does.
    if (left && this.seek?.repetitive) this.goOn(left, 'resume');
  }

  private goOn({ at, cursor }: Place, kind: 'resume' | 'release'): void {
    this.found(at);
    this.cursor = cursor;
    this.give({ kind, cursor });
  }

  /** The log is at a known position again. */
  found(at: number): void {
    this.at = at;
    this.used = false;
    this.recurs = false;
    this.recurrence = undefined;
    this.seek = undefined;
    this.left = undefined;
    this.parked = false;
    this.held = false;
  }

  /** Leaves the log. At a known place its stream is held, so that it can be read on from there, whatever is rotated. */
  park(): void {
    this.held = this.at !== undefined;
    this.leave();
    this.seek = undefined;
    this.parked = true;
    this.give({ kind: this.held ? 'hold' : 'park' });
  }

  /** Leaves the log but for its last entries. */
  look(lines: number): void {
    if (!this.parked) this.park();
    this.give({ kind: 'tail', lines });
  }

  /** The log was found to be at its end at a known position: nothing more is read of it. */
  close(at: number, cursor: LogCursor): void {
    this.found(at);
    this.cursor = cursor;
    this.give({ kind: 'park' });
    this.ended = true;
  }

  refuse(): void {
    this.refused = true;
    this.seek = undefined;
    this.parked = false;
  }

  /** Whether the content by which the place was found comes again, while the place could be there as well. */
  private watch(content: Buffer): void {
    if (!this.recurrence) return;
    this.recurs = this.recurrence.push(normalise(content));
    const stamp = this.cursor && parseStamp(this.cursor.stamp);
    const late = this.soughtUntil !== undefined && stamp !== undefined && stamp > this.soughtUntil;
    if (this.recurs || late) this.recurrence = undefined;
  }

  /** From here on the log's position is not known. */
  private leave(): void {
    if (this.at !== undefined) this.left = { cursor: this.cursor, at: this.at };
    this.at = undefined;
    this.readySince = undefined;
  }
}

type DistributiveOmit<T, K extends keyof never> = T extends unknown ? Omit<T, K> : never;
