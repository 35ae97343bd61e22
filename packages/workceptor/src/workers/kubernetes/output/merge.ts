import { AttachSide, type Channel } from './attach-side.js';
import { type Checkpoint, type Flaws, FRESH, type MergeStart } from './checkpoint.js';
import { LinePhase } from './line-phase.js';
import { type LogOrder, LogPlace, type Place } from './log-place.js';
import type { LogCursor } from './log-reader.js';
import { LogSearch, type Standing } from './log-search.js';
import type { LogTail } from './log-tail.js';
import { MergedOutput } from './merged-output.js';
import { normalise } from './normalise.js';
import { type Disagreement, PositionMerge } from './position-merge.js';
import type { Window } from './window.js';

/*
 * Two sources, one output. Attach is exact but begins at an unknown place, and can end at any; the log begins at the
 * first byte and can be taken up anywhere, but folds CRLF and can lose whole files. (docs/reference/kubernetes-output.md)
 *
 * Everything has a position: the number of bytes of normalised output (see normalise.ts) before it. The sources are
 * merged by it (position-merge.ts). A log that falls too far behind is parked, as it costs attach its speed; when it is
 * needed again its place is found by content. Once both standard output and standard error are seen, positions mean
 * nothing, and lines are matched instead (line-phase.ts).
 */

const INTERRUPTED = 'attach was interrupted, and the log may not be read';
const ROTATED = 'the log was rotated before it was read';
const RECURS =
  'some of the output may be there twice, as it repeats itself and where the log was taken up again was found by content';

/**
 * Merges what the log and attach bring. Pure: every method takes the time, and what is to be done is left in `takeWrites`,
 * `order`, `dropAttach`, `pauseAttach` and `pauseLog` for the caller to do.
 */
export class Merge {
  /** Attach is to be closed, and may be opened anew. */
  dropAttach = false;
  /** Whether the present connection is not the first that brings something. */
  private interrupted = false;
  private readonly output: MergedOutput;
  private readonly log: LogPlace;
  private readonly side = new AttachSide();
  private readonly positions: PositionMerge;
  private readonly search: LogSearch;
  private lines: LinePhase | undefined;
  private sync: Checkpoint;

  constructor(start: MergeStart = FRESH) {
    this.output = new MergedOutput(start);
    this.log = new LogPlace(start.saved.cursor, start.saved.logAt);
    this.positions = new PositionMerge(
      this.output,
      this.log,
      this.side,
      (now, rest) => this.disagree(now, rest),
      (now) => this.search.start(now, 'near', this.standing),
    );
    this.search = new LogSearch(this.output, this.log, this.side, () => {
      this.dropAttach = true;
    });
    this.sync = start.saved;
    if (!start.saved.mixed) return;
    this.lines = this.newLines();
    // What the log was behind then it brings again, and what the output has had since.
    const end = start.tail.length - normalise(start.lines).length;
    const from = end - (start.saved.written - start.saved.logAt);
    const before = start.tail.subarray(0, Math.max(0, from));
    const newline = before.lastIndexOf(10);
    const offset = newline < 0 ? (start.saved.cursor?.taken ?? 0) : before.length - newline - 1;
    const behind = start.tail.subarray(Math.max(0, from), Math.max(0, end));
    this.lines.logGoesOn(offset, Buffer.concat([behind, start.lines]));
  }

  /** Where the log is to be read. */
  get order(): LogOrder {
    return this.log.order;
  }

  get pauseAttach(): boolean {
    return this.lines ? this.lines.attachFull : this.positions.pauseAttach;
  }

  get pauseLog(): boolean {
    return this.lines ? this.lines.logFull : this.positions.pauseLog;
  }

  /** Whether time alone may change something, so that {@link tick} is to be called soon. */
  get restless(): boolean {
    if (this.log.seek || this.log.parked) return true;
    return this.lines ? this.lines.restless : this.positions.restless;
  }

  /** A state to go on from when everything taken until now is written. */
  get checkpoint(): Checkpoint {
    return this.lines ? this.sync : this.positionCheckpoint();
  }

  /** What is known to be wrong with the output until now, or may be. */
  get flaws(): Flaws {
    return this.output.flaws;
  }

  /** Whether there is a sign that carriage returns are missing in the parts that are uncertain. */
  get suspicious(): boolean {
    return this.output.suspicious;
  }

  /** Whether attach is known to have brought the output from its first byte on. */
  get attachedFromStart(): boolean {
    return this.positions.attachedFromStart;
  }

  /** What a person may want to know. */
  get notes(): ReadonlySet<string> {
    return this.output.notes;
  }

  /** The log has probably lost its beginning, if that is not known already. */
  loseHead(reason: string): void {
    if (!this.positions.headLost) this.output.gap(reason, 0);
  }

  /** What may be wrong with the output though nothing shows where; a phrase each. */
  get unsure(): ReadonlySet<string> {
    return this.output.unsure;
  }

  /** What is to be written, once. */
  takeWrites(): Buffer[] {
    return this.output.takeWrites();
  }

  /** Whether the log is being read and has come to its newest bytes, as far as can be told. */
  onLogReady(now: number, ready: boolean): void {
    this.log.onReady(now, ready);
  }

  /** Content of the log, and the cursor behind it. */
  onLog(now: number, content: Buffer, cursor: LogCursor | undefined): void {
    const sought = this.log.seek;
    const placed = this.log.take(now, content, cursor);
    if (this.lines) {
      if (sought && !this.log.seek) this.linesGoOn(this.lines);
      this.lines.onLog(now, placed.raw);
    } else this.positions.onLog(now, placed);
    this.settle(now);
  }

  /** The cursor's line was not found again: what came after it may have been lost. */
  onLogLost(now: number): void {
    const { log, lines, output, positions, side } = this;
    log.lossy = true;
    if (lines) {
      lines.logSkips(now);
      if (lines.attach !== 'joined' && !side.complete) output.gap(ROTATED);
      log.give({ kind: 'after', cursor: log.cursor });
    } else if (positions.attach === 'joined' || side.complete || (positions.lag ?? 0) > 0)
      this.search.start(now, 'start', this.standing);
    else {
      positions.release();
      output.gap(ROTATED);
      log.at = output.known.end;
      log.give({ kind: 'after', cursor: log.cursor });
      if (positions.attach === 'waiting') this.dropAttach = true;
    }
    this.settle(now);
  }

  /** The container has ended, and the log was read to its end. */
  onLogEnd(now: number): void {
    this.log.ended = true;
    if (this.log.seek) this.search.failed(now, this.standing);
    else this.lines?.endLog(now);
    this.settle(now);
  }

  /** The container has ended, and this is the end of the log, as far as it could be read. */
  onLogTail(now: number, tail: LogTail | undefined): void {
    this.search.judgeTail(now, tail, this.standing);
    this.settle(now);
  }

  /** The log will not be read: attach alone gives the output. */
  onLogRefused(now: number): void {
    this.log.refuse();
    if (!this.lines) this.positions.takeUpEarly();
    if (this.attach === 'waiting' && this.interrupted) this.output.gap(INTERRUPTED);
    this.joinBlindly(now);
    this.settle(now);
  }

  /** Attach is asked for: it can bring nothing that is older than what is known now. */
  onAttachAsked(now: number): void {
    const { output, side } = this;
    this.dropAttach = false;
    this.interrupted = side.used;
    side.ask(now);
    if (this.log.parked) this.search.takeUp(now, this.standing);
    if (this.lines) this.lines.beginAttach();
    else this.positions.ask();
    if (!this.log.refused) return;
    if (side.used) output.gap(INTERRUPTED);
    this.joinBlindly(now);
  }

  /** Whether attach is being listened to; its silence means nothing otherwise. */
  onAttachHeard(now: number, heard: boolean): void {
    this.side.onHeard(now, heard);
  }

  /** Bytes of attach. */
  onAttach(now: number, channel: Channel, bytes: Buffer): void {
    if (!this.side.asked) return;
    if (this.side.changes(channel) && !this.lines) this.becomeLines(now);
    this.attachBrings(now, channel, this.side.push(now, channel, bytes));
    this.settle(now);
  }

  /**
   * Attach has ended.
   * @param whole it said that the container's output is at its end
   * @param last there will be no other
   */
  onAttachClosed(now: number, whole: boolean, last = whole): void {
    if (!this.side.asked) return;
    const all = whole || this.log.refused;
    for (const [channel, rest] of this.side.close(whole, this.attach === 'joined').entries()) {
      if (all) this.attachBrings(now, channel as Channel, rest);
      else if (!this.lines) this.attachBrings(now, channel as Channel, withoutTrailingReturns(rest));
    }
    this.dropAttach = false;
    this.side.asked = false;
    // What is not placed yet may still be, when it was the last.
    if (this.lines && last && this.lines.attach === 'waiting') this.lines.join();
    if (all) this.lines?.endAttach();
    this.lines?.drop();
    this.positions.close(last);
    const behind = this.log.parked || this.positions.farBehind;
    if (behind && this.side.complete && !this.lines && !this.log.refused) this.search.lookAtTail();
    else if (this.attach === 'off' && this.log.parked) this.search.takeUp(now, this.standing);
    this.settle(now);
  }

  /** Lets time have its effect. */
  tick(now: number): void {
    this.settle(now);
  }

  /** Both sources have given all they will. */
  finish(now: number): void {
    const { log, lines, output, side } = this;
    if (lines) lines.finish(now);
    else {
      this.positions.finish(now);
      // A disagreement at the very last makes lines of it.
      this.lines?.finish(now);
      if ((log.seek || log.parked) && !log.refused) {
        if (side.whole) output.notes.add('The end of the output could not be compared with the log.');
        else output.gap('the log could not be read, and attach had not come to the end');
      }
    }
    if (log.refused && !side.whole) output.gap('neither the log nor attach could be read to the end');
  }

  private attachBrings(now: number, channel: Channel, raw: Buffer): void {
    if (raw.length === 0) return;
    if (this.lines) this.lines.onAttach(channel, raw);
    else this.positions.onAttach(now, raw);
    if (!this.lines && !this.log.refused && this.positions.tooFarBehind) this.search.park();
  }

  private joinBlindly(now: number): void {
    if (this.attach !== 'waiting') return;
    if (this.lines) {
      this.lines.join();
      this.lines.trustAttach();
    } else this.positions.joinAtEnd(now);
  }

  // ---- from positions to lines

  private get standing(): Standing {
    return { joined: this.attach === 'joined', waiting: this.attach === 'waiting' };
  }

  private get attach(): 'off' | 'waiting' | 'joined' {
    return this.lines?.attach ?? this.positions.attach;
  }

  /** The sources do not say the same: a line of the other channel is on its way, or the log has lost something. */
  private disagree(now: number, rest: Disagreement): void {
    const lines = this.lines ?? this.becomeLines(now);
    const { output, side } = this;
    if (rest.from !== undefined) this.remember(lines, rest.from);
    if (rest.log) lines.onLog(now, rest.log);
    if (rest.attach) {
      if (rest.at !== undefined)
        lines.channelGoesOn(side.single, lineOffset(output.known, rest.at, this.log.place));
      lines.onAttach(side.single, rest.attach);
    }
  }

  private becomeLines(now: number): LinePhase {
    const { log, output, positions, side } = this;
    const lines = this.newLines();
    this.lines = lines;
    side.keepLinesWhole();
    this.sync = { ...this.positionCheckpoint(), mixed: true };
    if (log.at === undefined && !log.seek && !log.refused) this.search.start(now, 'near', this.standing);
    const { queue, held, bound, joined } = positions.handOver();
    if (log.at !== undefined) this.linesGoOn(lines);
    if (positions.attach !== 'off') lines.beginAttach();
    if (joined) {
      lines.join();
      // The other channel's lines may be among what the log has brought before that.
      this.remember(lines, bound, joined.from);
      this.remember(lines, joined.to);
      lines.channelGoesOn(side.single, lineOffset(output.known, joined.to, log.place));
      if (positions.attachedFromStart) lines.trustAttach();
    } else if (positions.attach === 'waiting') this.remember(lines, bound);
    for (const raw of queue) lines.onAttach(side.single, raw);
    for (const item of held) lines.onLog(item.since, item.raw);
    return lines;
  }

  /** The log's place is known: it goes on there. */
  private linesGoOn(lines: LinePhase): void {
    const { log, output } = this;
    const at = Math.min(log.at ?? output.written, output.written);
    lines.logGoesOn(lineOffset(output.known, at, log.place), output.known.slice(at, output.written));
  }

  private remember(lines: LinePhase, from: number, to = this.output.written): void {
    const { known } = this.output;
    if (from < to) lines.remember(lineOffset(known, from, this.log.place), known.slice(from, to));
  }

  private newLines(): LinePhase {
    return new LinePhase(this.output, this.log, this.side);
  }

  private positionCheckpoint(): Checkpoint {
    const { size, written } = this.output;
    const { cursor, at } = this.positions.place;
    return { size, written, cursor, logAt: at, mixed: false };
  }

  // ---- time

  private settle(now: number): void {
    const { log } = this;
    this.search.settle(now, this.standing);
    if (!this.lines) this.positions.settle(now);
    if (log.unproven) this.output.unsure.add(RECURS);
    const { lines, positions } = this;
    if (lines) {
      lines.settle(now);
      if (!this.side.asked && lines.attach === 'joined') lines.drop();
      if (lines.level && !log.seek) this.sync = { ...this.positionCheckpoint(), mixed: true };
    }
    const waiting = lines ? lines.waitingSince : positions.held.since;
    if (this.attach === 'joined' && this.side.isDead(now, waiting)) this.dropAttach = true;
  }
}

/** How far behind the beginning of its line a position is; a line longer than what is known began where the log says. */
function lineOffset(known: Window, position: number, log: Place): number {
  const before = known.slice(known.start, position);
  const newline = before.lastIndexOf(10);
  if (newline >= 0 || known.start === 0) return before.length - newline - 1;
  return Math.max(0, (log.cursor?.taken ?? 0) + position - log.at);
}

function withoutTrailingReturns(bytes: Buffer): Buffer {
  let end = bytes.length;
  while (bytes[end - 1] === 13) end--;
  return bytes.subarray(0, end);
}
