import type { AttachSide } from './attach-side.js';
import { EarlyAttach } from './early-attach.js';
import { HeldLog } from './held-log.js';
import { Joiner, QUIET_MS } from './join.js';
import { LINE_LIMIT } from './line-merge.js';
import type { LogPlace, Place, Placed } from './log-place.js';
import { type MergedOutput, WINDOW } from './merged-output.js';
import { normalise, rawLength } from './normalise.js';
import { hasMoreLines } from './whole-lines.js';

/** Bytes of the log held for attach, at most. */
const HOLD_LIMIT = 8 << 20;
/** How long the log's bytes are held for an attach that is silent; and for one that has brought what is not placed yet. */
const SILENT_MS = 1000;
const UNPLACED_MS = 3000;
/** Silence of the log after which it does not have what attach shows. */
const LOST_MS = 3000;
/** Attach does not wait longer than this for a log that does not come. */
const STUCK_MS = 30_000;

const HEAD_LOST = 'the log had lost its beginning before it was read';

/** What could not be merged by position: the sources do not say the same there. */
export interface Disagreement {
  readonly log?: Buffer;
  readonly attach?: Buffer;
  /** The position of attach's bytes, where it is known. */
  readonly at?: number;
  /** The same, where some of it is in the output already. */
  readonly from?: number;
}

/** What is left to be merged otherwise. */
interface Handover {
  /** What attach has brought. */
  readonly queue: Buffer[];
  /** What the log has brought. */
  readonly held: { readonly raw: Buffer; readonly since: number }[];
  /** Attach cannot have begun before this position. */
  readonly bound: number;
  /** Where it began and where it has come to, if that is known. */
  readonly joined: { readonly from: number; readonly to: number } | undefined;
}

/**
 * The merge of one channel. The output has been written up to `output.written`; the log has been read up to `log.at`,
 * when that is known; what is known of the output, from either source, ends at `output.known.end`, the larger of the two.
 *
 *   log ahead (log.at > written): its bytes are held for attach to give them exactly; without attach, or when that takes
 *     too long, they are written as they are.
 *   log behind (log.at < written): what it brings is compared with what attach gave, and passed over.
 *
 * So when attach drops there is nothing to be done: the log is, or comes, to where the output ends and goes on.
 */
export class PositionMerge {
  attach: 'off' | 'waiting' | 'joined' = 'off';
  readonly held = new HeldLog();
  /** Whether an attach connection was found to have begun with the first byte of the output. */
  attachedFromStart = false;
  /** Whether the log is known to have lost its beginning. */
  headLost = false;
  private joiner: Joiner | undefined;
  /** Before the join: what attach has brought, and the count of bytes before it. */
  private queue: { at: number; raw: Buffer }[] = [];
  /** Position before which attach cannot have begun. */
  private bound = 0;
  /** Position at which attach began, and how many bytes it has brought since. */
  private joinedAt = 0;
  private count = 0;
  private fullSince: number | undefined;
  /** How far the log may be behind before it costs attach too much; one that catches up may be as far as it is. */
  private leash = WINDOW;
  private pace: { count: number; known: number } | undefined;
  private over = false;
  /** The connection has ended; what it brought is still to be placed. */
  private closed = false;
  private readonly early = new EarlyAttach();
  /** Content of the log that is not what attach brought, too little of it to say why; part of the log's present order. */
  private undecided: { raw: Buffer; order: number; since: number } | undefined;
  /** Whether the log was opened anew because it did not have what attach shows. */
  private renewed = false;

  constructor(
    private readonly output: MergedOutput,
    private readonly log: LogPlace,
    private readonly side: AttachSide,
    private readonly disagree: (now: number, rest: Disagreement) => void,
    /** The log's place is to be looked for again. */
    private readonly loseLog: (now: number) => void,
  ) {}

  get pauseAttach(): boolean {
    return this.attach === 'waiting' && !this.closed && (this.joiner?.full ?? false);
  }

  get pauseLog(): boolean {
    return this.attach === 'joined' && this.held.size > WINDOW;
  }

  get restless(): boolean {
    return this.held.size > 0 || (this.joiner?.waiting ?? 0) > 0;
  }

  /** The place in the log from which nothing is left out when the output so far is gone on from. */
  get place(): Place {
    return this.held.origin ?? this.log.place;
  }

  /** How far the log is behind the output; undefined where that is not known. */
  get lag(): number | undefined {
    return this.log.at === undefined ? undefined : this.output.written - this.log.at;
  }

  /** Whether the log has fallen behind attach, and is better left for now. */
  get tooFarBehind(): boolean {
    return this.attach === 'joined' && (this.lag ?? 0) > this.leash;
  }

  /** Whether reading the log up to the output's end would take a while. */
  get farBehind(): boolean {
    return (this.lag ?? 0) > WINDOW;
  }

  ask(): void {
    this.attach = 'waiting';
    this.bound = this.output.known.end;
    this.joiner = new Joiner(this.bound, WINDOW);
    this.queue = [];
    this.pace = undefined;
    this.fullSince = undefined;
    this.renewed = false;
    this.closed = false;
    this.count = 0;
  }

  /** Attach has ended. @param last there will be no other: what is not placed yet may still be */
  close(last: boolean): void {
    this.closed = true;
    if (!last || this.attach !== 'waiting') this.drop();
  }

  private drop(): void {
    this.keepEarly();
    this.attach = 'off';
    this.joiner = undefined;
    this.queue = [];
  }

  private keepEarly(): void {
    if (this.output.known.end === 0) this.early.keep(this.queue.map(({ raw }) => raw));
  }

  /** The log may not be read: what attach brought before that was known is the output's beginning, unless the log gave that. */
  takeUpEarly(): void {
    const { early, output } = this;
    const chunks = early.take();
    if (output.known.end > 0) return;
    for (const raw of chunks) {
      const norm = normalise(raw);
      output.folding.onAttach(output.written, raw, norm);
      output.fromAttach(raw);
      output.known.append(norm);
      output.written += norm.length;
    }
  }

  onLog(now: number, { raw: content, origin }: Placed): void {
    const { log, output } = this;
    this.early.take();
    if (log.at === undefined || content.length === 0) return;
    let raw = this.undecided ? Buffer.concat([...this.takeUndecided(), content]) : content;
    let norm = normalise(raw);
    output.folding.onLog(log.at, raw, norm);
    const behind = Math.min(norm.length, output.known.end - log.at);
    if (behind > 0) {
      if (!output.known.agrees(log.at, norm.subarray(0, behind))) {
        this.judge(now, log.at, raw, norm, origin);
        return;
      }
      log.at += behind;
      raw = raw.subarray(rawLength(raw, behind));
      norm = norm.subarray(behind);
    }
    if (norm.length === 0) return;
    this.held.push({ at: log.at, raw, length: norm.length, origin, since: now });
    output.known.append(norm);
    log.at += norm.length;
  }

  onAttach(now: number, raw: Buffer): void {
    if (raw.length === 0) return;
    if (this.attach === 'joined') this.bytesAt(now, this.joinedAt + this.count, raw);
    else if (this.joiner) {
      this.queue.push({ at: this.joiner.count, raw });
      this.joiner.window.append(normalise(raw));
    }
  }

  /** Attach began where what is known ends: nothing else can say where. */
  joinAtEnd(now: number): void {
    this.joinAt(now, this.output.known.end - (this.joiner?.first ?? 0));
  }

  /** Writes what is held and came before `since`, up to position `to`. */
  release(since = Number.POSITIVE_INFINITY, to = Number.POSITIVE_INFINITY): void {
    for (const { raw, length } of this.held.release(since, to)) {
      this.output.fromLog(raw);
      this.output.written += length;
      this.log.used = true;
    }
  }

  /** The log does not say what attach brought at a position: it has lost something, or has lines of the other channel. */
  private judge(now: number, at: number, raw: Buffer, norm: Buffer, origin: Place): void {
    const { log, output, side } = this;
    const from = Math.max(at, output.known.start);
    const more =
      side.mixed || hasMoreLines(norm.subarray(from - at), output.known.slice(from, output.known.end));
    if (more === false || side.complete) this.loseLog(now);
    else if (more || raw.length > LINE_LIMIT) this.disagree(now, { log: raw });
    else {
      log.cursor = origin.cursor;
      this.undecided = { raw, order: log.order.id, since: now };
    }
  }

  /** What is undecided, unless the log was sent elsewhere meanwhile, which brings it again. */
  private takeUndecided(): Buffer[] {
    const { undecided } = this;
    this.undecided = undefined;
    return undecided?.order === this.log.order.id ? [undecided.raw] : [];
  }

  /** What the two sources have brought and is not written: nothing of it is merged by position any more. */
  handOver(): Handover {
    const { queue, undecided } = this;
    const since = undecided?.since ?? 0;
    this.over = true;
    this.queue = [];
    this.joiner = undefined;
    return {
      queue: queue.map(({ raw }) => raw),
      held: [...this.takeUndecided().map((raw) => ({ raw, since })), ...this.held.takeAll()],
      bound: this.bound,
      joined: this.attach === 'joined' ? { from: this.joinedAt, to: this.joinedAt + this.count } : undefined,
    };
  }

  settle(now: number): void {
    const { lag } = this;
    this.leash =
      lag === undefined ? Number.POSITIVE_INFINITY : Math.max(WINDOW, Math.min(this.leash, lag + WINDOW));
    if (this.attach === 'waiting') this.settleWaiting(now);
    if (this.attach === 'off') this.release();
  }

  /** Both sources have given all they will. */
  finish(now: number): void {
    if (this.undecided && !this.side.complete) this.disagree(now, {});
    const { joiner, output } = this;
    if (this.attach === 'waiting' && joiner && joiner.waiting > 0) {
      const start = joiner.decideAtEnd(output.known);
      if (start !== undefined) this.joinAt(now, start);
      // Attach has had more than the log has shown since: the log's end is missing.
      else if (joiner.count > output.known.end - joiner.bound)
        this.joinBehindGap(now, joiner, 'the log ended before what attach showed');
      else if (!joiner.ambiguous) this.joinLossy(now, joiner);
    }
    this.release();
    this.attach = 'off';
  }

  /** Attach's bytes at a position: written where the output ends there, compared where it is further. */
  private bytesAt(now: number, position: number, content: Buffer): void {
    const { output } = this;
    let raw = content;
    let norm = normalise(raw);
    output.folding.onAttach(position, raw, norm);
    this.count += norm.length;
    let at = position;
    if (at < output.written) {
      const over = Math.min(norm.length, output.written - at);
      if (!output.known.agrees(at, norm.subarray(0, over))) {
        this.disagree(now, { attach: raw, at, from: at });
        return;
      }
      raw = raw.subarray(rawLength(raw, over));
      norm = norm.subarray(over);
      at += over;
    }
    if (norm.length === 0) return;
    if (!output.known.agrees(at, norm)) {
      if (!this.isLossy(output.known.slice(at, output.known.end), norm)) {
        this.disagree(now, { attach: raw, at });
        return;
      }
      this.held.takeAll();
      output.known.cutBack(at);
      this.loseLog(now);
    }
    output.fromAttach(raw);
    output.known.append(norm.subarray(Math.max(0, Math.min(norm.length, output.known.end - at))));
    output.written = at + norm.length;
    this.held.dropBefore(output.written);
  }

  /** The log has lost some or all of what attach has brought. */
  private joinLossy(now: number, joiner: Joiner): void {
    const shown = joiner.shown(this.output.known);
    if (shown === 'all') return;
    if (shown === 'nothing') {
      this.joinBehindGap(now, joiner, 'the log did not have what attach showed');
      return;
    }
    // Line by line nothing is lost of what both have.
    this.release();
    this.output.gap('the log had lost lines that attach showed; they may be out of order here');
    this.disagree(now, {});
  }

  /** What attach has brought the log has lost: it comes after all that is known, and something may be between. */
  private joinBehindGap(now: number, joiner: Joiner, reason: string): void {
    // A log that was read to its end, and lost nothing on the way, lacks nothing but what came before it.
    if (joiner.bound === 0 && !joiner.ambiguous && this.log.ended && this.output.flaws.gaps.length === 0) {
      this.joinBeforeLog(joiner);
      return;
    }
    this.release();
    this.output.gap(reason);
    this.joinAt(now, this.output.known.end - joiner.first);
  }

  /** Attach has brought what the log had lost before it was read: before the log, unless that is written already. */
  private joinBeforeLog({ first }: Joiner): void {
    const { output, queue } = this;
    const late = output.written > 0;
    this.headLost = true;
    if (late) {
      this.release();
      output.gap(HEAD_LOST, 0);
      output.gap('out of order: from here on the beginning, which only attach brought');
    }
    for (const { at, raw } of queue) if (at >= first) output.fromAttach(raw);
    if (!late) output.gap(HEAD_LOST);
    this.drop();
  }

  /** Whether the log is not what attach shows, and no line of the other channel explains it: it has lost something. */
  private isLossy(log: Buffer, attach: Buffer): boolean {
    return this.attach === 'joined' && !this.side.mixed && hasMoreLines(log, attach) === false;
  }

  private joinAt(now: number, start: number): void {
    const { joiner, queue } = this;
    if (!joiner) return;
    this.release(Number.POSITIVE_INFINITY, start + joiner.first);
    this.attach = 'joined';
    if (start === 0 && joiner.first === 0 && joiner.count > 0) this.attachedFromStart = true;
    this.joinedAt = start;
    this.count = joiner.first;
    this.joiner = undefined;
    this.queue = [];
    for (const { at, raw } of queue) {
      if (this.over) this.disagree(now, { attach: raw });
      else if (at >= joiner.first) this.bytesAt(now, start + at, raw);
    }
    if (this.closed) this.drop();
  }

  private settleWaiting(now: number): void {
    const { joiner, log, output, side } = this;
    if (!joiner) return;
    this.fullSince = joiner.full ? (this.fullSince ?? now) : undefined;
    if (now - (this.fullSince ?? now) > STUCK_MS) this.forgetQueue(joiner);
    if (log.at === undefined || log.at < output.known.end) return;
    const logQuiet = log.quiet(now);
    const attachQuiet = side.quiet(now);
    const start = joiner.decide(output.known, { now, logQuiet, attachQuiet, full: joiner.full });
    if (start !== undefined) {
      this.joinAt(now, start);
      return;
    }
    // A log that has shown less than attach, since attach was asked for, is behind, however quiet it is.
    const level = output.known.end - joiner.bound >= joiner.count;
    if (joiner.full && joiner.ambiguous && level && (logQuiet >= QUIET_MS * 2 || this.inPace(joiner))) {
      // The log has all this, and it shows no place to join at: the output repeats itself. Attach keeps the pace.
      this.forgetQueue(joiner);
    } else if (joiner.full && !joiner.ambiguous && logQuiet >= LOST_MS) {
      // The container waits for attach, so the log has no more; but a stream may have died unnoticed.
      if (this.renewed) {
        this.joinLossy(now, joiner);
        return;
      }
      this.renewed = true;
      log.give({ kind: 'resume', cursor: log.cursor });
    }
    this.release(Number.POSITIVE_INFINITY, joiner.bound);
    const open = side.openSince;
    if (joiner.waiting > 0 || open === undefined) {
      if (level) this.release(now - UNPLACED_MS);
    } else if (now - open >= SILENT_MS) this.release(now - SILENT_MS);
    if (this.held.size > HOLD_LIMIT) this.release(Number.POSITIVE_INFINITY, output.known.end - WINDOW);
  }

  private forgetQueue(joiner: Joiner): void {
    this.keepEarly();
    joiner.forget();
    this.queue = [];
    this.fullSince = undefined;
    this.pace = { count: joiner.count, known: this.output.known.end };
  }

  private inPace(joiner: Joiner): boolean {
    const { pace } = this;
    return !!pace && this.output.known.end - pace.known >= joiner.count - pace.count - WINDOW / 2;
  }
}
