import { Joiner, QUIET_MS } from './join.js';
import { LINE_LIMIT, LineMerge } from './line-merge.js';
import type { LogCursor } from './log-reader.js';
import { normalise, rawLength } from './normalise.js';
import { Seek } from './seek.js';
import { parseStamp } from './stamp.js';
import type { Gap } from './types.js';
import { WholeLines } from './whole-lines.js';
import { Window } from './window.js';

/*
 * Two sources, one output. Attach is exact but begins at an unknown place, and can end at any; the log begins at the
 * first byte and can be taken up anywhere, but folds CRLF and can lose whole files. (docs/reference/kubernetes-output.md)
 *
 * Everything has a position: the number of bytes of normalised output (see normalise.ts) before it. The output has been
 * written up to `written`; the log has been read up to `logAt`, when that is known; what is known of the output,
 * from either source, ends at `known.end`, the larger of the two.
 *
 *   log ahead (logAt > written): its bytes are held for attach to give them exactly; without attach, or when that takes
 *     too long, they are written as they are.
 *   log behind (logAt < written): what it brings is compared with what attach gave, and passed over.
 *
 * So when attach drops there is nothing to be done: the log is, or comes, to where the output ends and goes on. A log that
 * falls too far behind is parked, as it costs attach its speed; when it is needed again its place is found by content.
 * Once both standard output and standard error are seen, positions mean nothing, and line-merge.ts takes over.
 */

/** How far the sources may be apart, and what is kept to compare them by. */
export const WINDOW = 2 << 20;
/** Bytes of the log held for attach, at most. */
const HOLD_LIMIT = 8 << 20;
const HOLD_MS = 1000;
/** Attach that is silent for so long while the log goes on is dead. */
const DEAD_MS = 3000;
/** Silence of the log after which what is looked for in it is not there. */
const SETTLED_MS = 1000;
const LINE_QUIET_MS = 100;
/** Attach's lines go on in pieces of this length while only one channel is in use: sooner than the log's, at 16 KiB. */
const PIECE = 8_192;
/** Attach does not wait longer than this for a log that does not come. */
const STUCK_MS = 30_000;
const CALM_MS = 500;
const CALM_BYTES = 512 << 10;
const CLOCK_SLACK_NS = 2_000_000_000n;

/** Where the log is to be opened. Each order has a new `id`. */
export type LogOrder = { readonly id: number } & (
  | { readonly kind: 'resume' | 'after'; readonly cursor: LogCursor | undefined }
  /** From about this time (nanoseconds since the epoch). */
  | { readonly kind: 'near'; readonly time: bigint }
  /** Everything there is. */
  | { readonly kind: 'start' }
  /** Not at all, for now. */
  | { readonly kind: 'park' }
);

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

/** What an earlier process left. */
export interface MergeStart {
  /** As it was saved, and what stdout has now: as much or more. */
  readonly saved: Checkpoint;
  readonly size: number;
  readonly written: number;
  /** The end of the output, normalised. */
  readonly tail: Buffer;
  /** Where it is mixed: the lines behind the checkpoint. */
  readonly lines: Buffer;
  readonly gaps: readonly Gap[];
}

/** Nothing yet. */
export const BEGINNING: Checkpoint = { size: 0, written: 0, cursor: undefined, logAt: 0, mixed: false };

const FRESH: MergeStart = {
  saved: BEGINNING,
  size: 0,
  written: 0,
  tail: Buffer.alloc(0),
  lines: Buffer.alloc(0),
  gaps: [],
};

interface Held {
  /** Position of the first byte of `raw`. */
  at: number;
  raw: Buffer;
  length: number;
  /** Before the chunk it is of. */
  readonly origin: Place;
  readonly since: number;
}

/** A place in the log and its position. */
interface Place {
  readonly cursor: LogCursor | undefined;
  readonly at: number;
}

/**
 * Merges what the log and attach bring. Pure: every method takes the time, and what is to be done is left in `writes`,
 * `order`, `dropAttach`, `pauseAttach` and `pauseLog` for the caller to do.
 */
export class Merge {
  order: LogOrder;
  /** Attach is to be closed, and may be opened anew. */
  dropAttach = false;
  readonly gaps: Gap[];
  readonly notes = new Set<string>();
  /** Bytes that came from the log. */
  logBytes = 0;

  private writes: Buffer[] = [];
  private size: number;
  private written: number;
  private readonly known: Window;
  private logAt: number | undefined;
  private cursor: LogCursor | undefined;
  private held: Held[] = [];
  private heldSize = 0;
  private seek: Seek | undefined;
  /** While `logAt` is not known: the last place that was. */
  private left: Place | undefined;
  private parked = false;
  private attachReturns = 0;
  private logReturns = 0;
  private calm = { since: 0, written: 0 };
  private lines: LineMerge | undefined;
  private sync: Checkpoint;

  private attach: 'off' | 'waiting' | 'joined' = 'off';
  private joiner: Joiner | undefined;
  private queue: { at: number; raw: Buffer }[] = [];
  private joinedAt = 0;
  private attachCount = 0;
  private fullSince: number | undefined;
  private pace: { count: number; known: number } | undefined;
  private channels = [new WholeLines(PIECE), new WholeLines(PIECE)] as const;
  private channelSeen: 0 | 1 | undefined;

  private logReadySince: number | undefined;
  private lastLog = 0;
  private lastAttach = 0;
  private attachHeard = true;
  private attachUsed = false;
  private attachWhole = false;
  private noLog = false;

  constructor(start: MergeStart = FRESH) {
    this.size = start.size;
    this.written = start.written;
    this.cursor = start.saved.cursor;
    this.logAt = start.saved.logAt;
    this.known = new Window(WINDOW, start.written - start.tail.length);
    this.known.append(start.tail);
    this.gaps = [...start.gaps];
    this.sync = start.saved;
    this.order = { id: 0, kind: 'resume', cursor: start.saved.cursor };
    if (start.saved.mixed) {
      this.lines = new LineMerge();
      this.lines.expect(start.lines);
    }
  }

  get pauseAttach(): boolean {
    return this.lines ? this.lines.attachFull : this.attach === 'waiting' && (this.joiner?.full ?? false);
  }

  get pauseLog(): boolean {
    return this.lines ? this.lines.logFull : this.attach === 'joined' && this.heldSize > WINDOW;
  }

  /** Whether time alone may change something, so that {@link tick} is to be called soon. */
  get restless(): boolean {
    if (this.seek || this.parked || this.held.length > 0 || this.joiner?.waiting) return true;
    return this.lines ? this.lines.unsettled || !this.lines.level : false;
  }

  /** A state to go on from when everything taken until now is written. */
  get checkpoint(): Checkpoint {
    return this.lines ? this.sync : this.bytesCheckpoint();
  }

  /** Whether the log is seen to leave out carriage returns that attach shows. */
  get folds(): boolean {
    return this.attachReturns > 0 && this.logReturns === 0;
  }

  /** What is to be written, once. */
  takeWrites(): Buffer[] {
    const writes = this.writes;
    this.writes = [];
    return writes;
  }

  /** Whether the log is being read and has come to its newest bytes, as far as can be told. */
  onLogReady(now: number, ready: boolean): void {
    if (!ready) this.logReadySince = undefined;
    else this.logReadySince ??= now;
  }

  /** Content of the log, and the cursor behind it. */
  onLog(now: number, content: Buffer, cursor: LogCursor | undefined): void {
    this.lastLog = now;
    const before = this.cursor;
    this.cursor = cursor;
    let raw = content;
    let origin: Place = { cursor: before, at: this.logAt ?? 0 };
    if (this.seek) {
      const found = this.seek.push(raw);
      if (found) {
        raw = found.rest;
        const passed = normalise(content).length - normalise(raw).length;
        origin = { cursor: before, at: found.at - passed };
        this.found(found.at);
      } else raw = raw.subarray(raw.length);
    }
    if (this.lines) this.lines.onLog(now, raw);
    else this.logBytesAt(now, raw, origin);
    this.settle(now);
  }

  /** The cursor's line was not found again: what came after it may have been lost. */
  onLogLost(now: number): void {
    if (this.lines) {
      if (this.lines.attach !== 'joined') this.gap('the log was rotated before it was read');
      this.give({ kind: 'after', cursor: this.cursor });
    } else if (this.attach === 'joined' || (this.logAt ?? 0) < this.written) this.startSeek(now, 'start');
    else {
      this.releaseHeld(Number.POSITIVE_INFINITY);
      this.gap('the log was rotated before it was read');
      this.logAt = this.known.end;
      this.give({ kind: 'after', cursor: this.cursor });
      if (this.attach === 'waiting') this.dropAttach = true;
    }
    this.settle(now);
  }

  /** The container has ended, and the log was read to its end. */
  onLogEnd(now: number): void {
    if (this.seek) this.seekFailed(now);
    else this.lines?.endLog(now);
    this.settle(now);
  }

  /** The log will not be read: attach alone gives the output. */
  onLogRefused(now: number): void {
    this.noLog = true;
    this.seek = undefined;
    this.parked = false;
    if (this.attach === 'waiting') this.joinAt(now, this.known.end);
    this.settle(now);
  }

  /** Attach is asked for: it can bring nothing that is older than what is known now. */
  onAttachAsked(now: number): void {
    this.dropAttach = false;
    this.attach = 'waiting';
    this.joiner = new Joiner(this.known.end, WINDOW);
    this.queue = [];
    this.pace = undefined;
    this.attachCount = 0;
    this.channelSeen = undefined;
    this.lastAttach = now;
    this.channels[0].end();
    this.channels[1].end();
    this.lines?.beginAttach();
    if (!this.noLog) return;
    if (this.attachUsed) this.gap('attach was interrupted, and the log may not be read');
    this.joinAt(now, this.known.end);
  }

  /** Whether attach is being listened to; its silence means nothing otherwise. */
  onAttachHeard(now: number, heard: boolean): void {
    if (heard && !this.attachHeard) this.lastAttach = now;
    this.attachHeard = heard;
  }

  /** Bytes of attach; channel 0 is standard output, 1 standard error. */
  onAttach(now: number, channel: 0 | 1, bytes: Buffer): void {
    if (this.attach === 'off') return;
    this.lastAttach = now;
    this.attachUsed = true;
    if (this.channelSeen !== undefined && this.channelSeen !== channel && !this.lines) this.becomeLines(now);
    this.channelSeen = channel;
    this.attachLines(now, this.channels[channel].push(bytes));
    this.settle(now);
  }

  /**
   * Attach has ended.
   * @param whole it said so itself, so that the container's output is at its end
   */
  onAttachClosed(now: number, whole: boolean): void {
    if (this.attach === 'off') return;
    for (const channel of this.channels) {
      const rest = channel.end();
      if (whole) this.attachLines(now, rest);
      else if (!this.lines) this.attachLines(now, withoutTrailingReturns(rest));
    }
    this.dropAttach = false;
    this.attachWhole = whole;
    if (!whole || this.attach === 'joined') {
      this.attach = 'off';
      this.joiner = undefined;
      this.queue = [];
      this.lines?.drop();
    } // else finish() has the last word
    if (this.attach === 'off' && this.parked) this.resumeParked(now);
    this.settle(now);
  }

  /** Lets time have its effect. */
  tick(now: number): void {
    this.settle(now);
  }

  /** Both sources have given all they will. */
  finish(now: number): void {
    this.finishSources(now);
    if (this.noLog && !this.attachWhole) this.gap('neither the log nor attach could be read to the end');
  }

  private finishSources(now: number): void {
    if (this.lines) {
      this.lines.endLog(now);
      if (this.lines.attach === 'waiting') this.lines.join();
      this.lines.releaseLog();
      this.drainLines();
      return;
    }
    const joiner = this.joiner;
    if (this.attach === 'waiting' && joiner && joiner.waiting > 0) {
      const start = joiner.decideAtEnd(this.known);
      if (start !== undefined) this.joinAt(now, start);
      else if (joiner.count > this.known.end - joiner.bound) {
        // Attach has had more than the log has shown since: the log's end is missing.
        this.releaseHeld(Number.POSITIVE_INFINITY);
        this.gap('the log ended before what attach showed');
        this.joinAt(now, this.known.end - joiner.first);
      }
    }
    if ((this.seek || this.parked) && !this.noLog)
      this.notes.add('The end of the output could not be compared with the log.');
    this.releaseHeld(Number.POSITIVE_INFINITY);
    this.attach = 'off';
  }

  // ---- the log

  private logBytesAt(now: number, content: Buffer, origin: Place): void {
    if (this.logAt === undefined || content.length === 0) return;
    let raw = content;
    let norm = normalise(raw);
    this.logReturns += raw.length - norm.length;
    const behind = Math.min(norm.length, this.known.end - this.logAt);
    if (behind > 0) {
      if (!this.known.agrees(this.logAt, norm.subarray(0, behind))) {
        this.disagree(now, { log: raw });
        return;
      }
      this.logAt += behind;
      raw = raw.subarray(rawLength(raw, behind));
      norm = norm.subarray(behind);
    }
    if (norm.length > 0) {
      this.held.push({ at: this.logAt, raw, length: norm.length, origin, since: now });
      this.heldSize += raw.length;
      this.known.append(norm);
      this.logAt += norm.length;
    }
  }

  /** Writes what is held and came before `since`, up to position `to`. */
  private releaseHeld(since: number, to = Number.POSITIVE_INFINITY): void {
    let count = 0;
    for (const item of this.held) {
      if (item.since >= since || item.at >= to) break;
      const length = Math.min(item.length, to - item.at);
      const cut = length < item.length ? rawLength(item.raw, length) : item.raw.length;
      this.logBytes += cut;
      this.write(item.raw.subarray(0, cut));
      this.written += length;
      this.heldSize -= cut;
      if (length < item.length) {
        item.raw = item.raw.subarray(cut);
        item.at += length;
        item.length -= length;
        break;
      }
      count++;
    }
    this.held.splice(0, count);
  }

  /** Drops what is held and has been written from attach. */
  private trimHeld(): void {
    let count = 0;
    for (const item of this.held) {
      const over = Math.min(item.length, this.written - item.at);
      if (over <= 0) break;
      if (over < item.length) {
        const cut = rawLength(item.raw, over);
        item.raw = item.raw.subarray(cut);
        this.heldSize -= cut;
        item.at += over;
        item.length -= over;
        break;
      }
      this.heldSize -= item.raw.length;
      count++;
    }
    this.held.splice(0, count);
  }

  private startSeek(now: number, place: 'near' | 'start'): void {
    this.leave();
    this.parked = false;
    this.seek = new Seek(this.known, place);
    const stamp = this.cursor && parseStamp(this.cursor.stamp);
    if (place === 'start' || stamp === undefined) {
      this.seek = new Seek(this.known, 'start');
      this.give({ kind: 'start' });
      return;
    }
    // The log's clock, as far as it was seen, moved on by ours.
    const elapsed = Math.max(0, (this.attach === 'joined' ? this.lastAttach : now) - this.lastLog);
    this.give({ kind: 'near', time: stamp + BigInt(Math.floor(elapsed)) * 1_000_000n - CLOCK_SLACK_NS });
  }

  private resumeParked(now: number): void {
    const left = this.left;
    this.startSeek(now, 'near');
    if (!left || !this.seek?.repetitive) return;
    // Content would prove nothing; counting from where the log was left does.
    this.found(left.at);
    this.cursor = left.cursor;
    this.give({ kind: 'resume', cursor: left.cursor });
  }

  private seekFailed(now: number): void {
    const seek = this.seek;
    if (!seek) return;
    if (this.attach === 'joined' && this.attachQuiet(now) >= QUIET_MS && seek.endsLike(this.known)) {
      this.found(this.known.end);
    } else if (seek.place === 'near') this.startSeek(now, 'start');
    else if (this.attach === 'joined') this.park();
    else {
      const again = seek.overlap(this.known);
      this.found(this.known.end - again);
      if (!seek.sawBytes) {
        this.notes.add('The log had been rotated; whether its end is whole could not be seen.');
        return;
      }
      if (again === 0) {
        this.gap('the log no longer had what followed');
        if (this.attach === 'waiting') this.dropAttach = true;
      }
      this.cursor = undefined;
      this.give({ kind: 'start' });
    }
  }

  /** The log is at a known position again. */
  private found(at: number): void {
    this.logAt = at;
    this.seek = undefined;
    this.left = undefined;
    this.parked = false;
  }

  /** From here on the log's position is not known. */
  private leave(): void {
    if (this.logAt !== undefined) this.left = { cursor: this.cursor, at: this.logAt };
    this.logAt = undefined;
    this.logReadySince = undefined;
  }

  private park(): void {
    this.leave();
    this.seek = undefined;
    this.parked = true;
    this.calm = { since: Number.POSITIVE_INFINITY, written: 0 };
    this.give({ kind: 'park' });
  }

  // ---- attach

  private attachLines(now: number, raw: Buffer): void {
    if (raw.length === 0) return;
    if (this.lines) this.lines.onAttach(raw);
    else if (this.attach === 'joined') {
      const at = this.joinedAt + this.attachCount;
      this.attachBytesAt(now, at, raw);
    } else if (this.joiner) {
      const norm = normalise(raw);
      this.queue.push({ at: this.joiner.count, raw });
      this.joiner.window.append(norm);
    }
  }

  /** Attach's bytes at a position: written where the output ends there, compared where it is further. */
  private attachBytesAt(now: number, position: number, content: Buffer): void {
    let raw = content;
    let norm = normalise(raw);
    this.attachCount += norm.length;
    let at = position;
    if (at < this.written) {
      const over = Math.min(norm.length, this.written - at);
      if (!this.known.agrees(at, norm.subarray(0, over))) {
        this.disagree(now, { attach: raw });
        return;
      }
      raw = raw.subarray(rawLength(raw, over));
      norm = norm.subarray(over);
      at += over;
    }
    if (norm.length === 0) return;
    if (!this.known.agrees(at, norm)) {
      this.disagree(now, { attach: raw });
      return;
    }
    this.attachReturns += raw.length - norm.length;
    this.write(raw);
    this.known.append(norm.subarray(Math.max(0, Math.min(norm.length, this.known.end - at))));
    this.written = at + norm.length;
    this.trimHeld();
    if (this.logAt !== undefined && this.written - this.logAt > WINDOW && !this.noLog) this.park();
  }

  private joinAt(now: number, start: number): void {
    const joiner = this.joiner;
    if (this.lines) {
      this.lines.join();
      this.attach = 'joined';
    }
    if (!joiner || this.lines) return;
    this.releaseHeld(Number.POSITIVE_INFINITY, start + joiner.first);
    this.attach = 'joined';
    this.joinedAt = start;
    this.attachCount = joiner.first;
    this.joiner = undefined;
    const queue = this.queue;
    this.queue = [];
    for (const { at, raw } of queue) {
      if (at < joiner.first) continue;
      if (this.lines) (this.lines as LineMerge).onAttach(raw);
      else this.attachBytesAt(now, start + at, raw);
    }
  }

  // ---- both

  /** The sources do not say the same: a line of the other channel is on its way, or the log has lost something. */
  private disagree(now: number, rest: { log?: Buffer; attach?: Buffer }): void {
    const lines = this.becomeLines(now);
    if (rest.log) lines.onLog(now, rest.log);
    if (rest.attach) lines.onAttach(rest.attach);
  }

  /** From positions to lines. */
  private becomeLines(now: number): LineMerge {
    const lines = new LineMerge();
    this.lines = lines;
    for (const channel of this.channels) channel.limit = LINE_LIMIT;
    this.sync = { ...this.bytesCheckpoint(), mixed: true };
    if (this.logAt !== undefined && this.logAt < this.written) {
      lines.expect(this.known.slice(this.logAt, this.written));
    } else if (this.logAt === undefined && !this.seek && !this.noLog) this.startSeek(now, 'near');
    if (this.attach !== 'off') {
      lines.beginAttach();
      if (this.attach === 'joined') lines.join();
    }
    if (this.attach === 'waiting' && this.joiner) {
      lines.remember(this.known.slice(this.joiner.bound, this.written));
      for (const { raw } of this.queue) lines.onAttach(raw);
      this.joiner = undefined;
      this.queue = [];
    }
    for (const item of this.held) lines.onLog(item.since, item.raw);
    this.held = [];
    this.heldSize = 0;
    return lines;
  }

  private bytesCheckpoint(): Checkpoint {
    const place = this.held[0]?.origin ?? this.left ?? { cursor: this.cursor, at: this.logAt ?? 0 };
    return { size: this.size, written: this.written, cursor: place.cursor, logAt: place.at, mixed: false };
  }

  private attachQuiet(now: number): number {
    return this.attachHeard ? now - this.lastAttach : 0;
  }

  private logQuiet(now: number): number {
    return this.logReadySince === undefined ? 0 : now - Math.max(this.logReadySince, this.lastLog);
  }

  private settle(now: number): void {
    if (this.seek && this.logQuiet(now) >= SETTLED_MS && this.seekIsHopeless(now)) this.seekFailed(now);
    if (this.lines) {
      this.settleLines(now);
      return;
    }
    if (this.attach === 'waiting') this.settleWaiting(now);
    if (this.attach === 'off') this.releaseHeld(Number.POSITIVE_INFINITY);
    if (this.attach === 'joined') {
      if (this.isDead(now, this.held[0]?.since)) this.dropAttach = true;
      if (this.parked && !this.seek) this.settleParked(now);
    }
  }

  private settleWaiting(now: number): void {
    const joiner = this.joiner;
    if (!joiner) return;
    this.fullSince = joiner.full ? (this.fullSince ?? now) : undefined;
    if (now - (this.fullSince ?? now) > STUCK_MS) this.forgetQueue(joiner);
    if (this.logAt === undefined || this.logAt < this.known.end) return;
    const logQuiet = this.logQuiet(now);
    const attachQuiet = this.attachQuiet(now);
    const start = joiner.decide(this.known, { now, logQuiet, attachQuiet, full: joiner.full });
    if (start !== undefined) {
      this.joinAt(now, start);
      return;
    }
    if (joiner.full && (logQuiet >= QUIET_MS * 2 || this.inPace(joiner))) {
      // The log has all this, and it shows no place to join at: the output repeats itself. Attach keeps the pace.
      this.forgetQueue(joiner);
    }
    this.releaseHeld(Number.POSITIVE_INFINITY, joiner.bound);
    this.releaseHeld(now - (joiner.waiting > 0 ? HOLD_MS : QUIET_MS));
    if (this.heldSize > HOLD_LIMIT) this.releaseHeld(Number.POSITIVE_INFINITY, this.known.end - WINDOW);
  }

  private forgetQueue(joiner: Joiner): void {
    joiner.forget();
    this.queue = [];
    this.fullSince = undefined;
    this.pace = { count: joiner.count, known: this.known.end };
  }

  private inPace(joiner: Joiner): boolean {
    const pace = this.pace;
    return !!pace && this.known.end - pace.known >= joiner.count - pace.count - WINDOW / 2;
  }

  private settleParked(now: number): void {
    if (now - this.calm.since < CALM_MS) return;
    const grown = this.written - this.calm.written;
    const first = this.calm.since === Number.POSITIVE_INFINITY;
    this.calm = { since: now, written: this.written };
    if (!first && grown < CALM_BYTES) this.startSeek(now, 'near');
  }

  private settleLines(now: number): void {
    const lines = this.lines;
    if (!lines) return;
    const logQuiet = this.logQuiet(now);
    const attachQuiet = this.attachQuiet(now);
    if (this.seek && logQuiet >= QUIET_MS && attachQuiet >= QUIET_MS && lines.attach === 'joined') {
      this.found(this.known.end);
      lines.forgetExpected();
    }
    if (lines.attach === 'waiting') {
      const rest = attachQuiet >= LINE_QUIET_MS || lines.attachFull;
      if (lines.unsettled && logQuiet >= LINE_QUIET_MS && rest && !this.seek) this.joinAt(now, 0);
      else lines.releaseLog(now - HOLD_MS);
    }
    if (lines.attach === 'joined') {
      if (lines.attachFull && logQuiet >= SETTLED_MS && !this.seek) {
        lines.forgetExpected();
        this.notes.add('Lines of standard output and standard error could not all be found in the log.');
      }
      if (this.isDead(now, lines.waitingSince)) this.dropAttach = true;
    }
    this.drainLines();
    if (lines.level && !this.seek) this.sync = { ...this.bytesCheckpoint(), mixed: true };
  }

  private drainLines(): void {
    const lines = this.lines;
    if (!lines) return;
    for (const raw of lines.writes) this.write(raw);
    lines.writes = [];
    this.logBytes += lines.logBytes;
    lines.logBytes = 0;
  }

  /** Whether attach has been silent although the log shows, since `waiting`, that there is output. */
  private isDead(now: number, waiting: number | undefined): boolean {
    return waiting !== undefined && now - waiting > DEAD_MS && this.attachQuiet(now) > DEAD_MS;
  }

  private seekIsHopeless(now: number): boolean {
    return this.attach !== 'joined' || this.attachQuiet(now) >= QUIET_MS || !this.seek?.repetitive;
  }

  private gap(reason: string): void {
    this.gaps.push({ at: this.size, bytes: undefined, reason });
  }

  private give(order: DistributiveOmit<LogOrder, 'id'>): void {
    this.logReadySince = undefined;
    this.order = { id: this.order.id + 1, ...order } as LogOrder;
  }

  private write(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.size += bytes.length;
    this.writes.push(bytes);
  }
}

type DistributiveOmit<T, K extends keyof never> = T extends unknown ? Omit<T, K> : never;

function withoutTrailingReturns(bytes: Buffer): Buffer {
  let end = bytes.length;
  while (bytes[end - 1] === 13) end--;
  return bytes.subarray(0, end);
}
