import { LogParser } from './log-parser.js';
import { parseStamp, sinceTime } from './stamp.js';

/**
 * An exact place in a log: behind the first `taken` bytes of the line that was the `count`-th to begin with `stamp`.
 * Stamps alone would not do: several lines can have the same.
 */
export interface LogCursor {
  readonly stamp: string;
  readonly count: number;
  readonly taken: number;
}

/** How far behind its neighbours' a line's stamp may be in the log: the two streams of a container are stamped apart. */
const DISORDER_NS = 1_000_000_000n;
/**
 * A file that begins so soon after the end of another is the one that follows it: the kubelet rotates no log twice
 * within 3 seconds, whatever it is set to.
 */
const NEXT_FILE_NS = 2_000_000_000n;
/** A file that was passed over covers at least so much time. */
const FILE_NS = 3_000_000_000n;
/** How far apart the clocks of the API server and a node may be. */
const SKEW_NS = 1_000_000_000n;
/** How many stamps' counts are remembered, for lines that are out of order. */
const REMEMBERED = 64;

/** The `sinceTime` of a stream in which the cursor's line is found, if the log still has it. */
export function sinceCursor(cursor: LogCursor): string | undefined {
  const time = parseStamp(cursor.stamp);
  return time === undefined ? undefined : sinceTime(time - DISORDER_NS);
}

/**
 * Reads one log over any number of streams: after each {@link begin} it finds the place where the stream before
 * stopped, and goes on from there. Pure: bytes in, content out.
 */
export class LogReader {
  /**
   * `seeking`: the cursor's line has not come yet. `next`: the first line has not. `flowing`: content is new. `lost`: lines later than the cursor's came,
   * but not its own, so the log was rotated away. `doubtful`: a file may have been passed over, which a new stream will
   * show. In both of these nothing is read until the next {@link begin}.
   */
  state: 'seeking' | 'next' | 'flowing' | 'lost' | 'doubtful' = 'flowing';
  /** Lines of the present stream that were no output (at most a few are kept). */
  foreign: string[] = [];
  /** The time (nanoseconds since the epoch) of the present stream's first line. */
  first: bigint | undefined;

  private parser = this.newParser();
  private place: { stamp: string; count: number; taken: number } | undefined;
  private target: (LogCursor & { time: bigint }) | undefined;
  private sawLine = false;
  /** Whether the stream before came to its own end, which is that of a file. */
  private endedWhole = false;
  /** When the present stream was opened (nanoseconds since the epoch), where that is known. */
  private opened: bigint | undefined;
  /** The time of the reader, now and when it read the line before. Milliseconds. */
  private now = 0;
  private lineAt = 0;
  /** Bytes of the present line to be passed over. */
  private skip = 0;
  /** After a loss: only what is stamped later than this is new. */
  private after: bigint | undefined;
  private recent: { stamp: string; count: number }[] = [];
  private newest = '';
  private out: Buffer = Buffer.alloc(0);
  private length = 0;

  constructor(cursor?: LogCursor) {
    if (cursor) this.place = { ...cursor };
  }

  /** Where reading has come to; undefined before the first line. */
  get cursor(): LogCursor | undefined {
    return this.place && { ...this.place };
  }

  /** Whether the cursor's count holds for the whole log, and not only for the present stream: that began before its stamp. */
  get countIsCertain(): boolean {
    const time = parseStamp(this.place?.stamp ?? '');
    return this.first !== undefined && time !== undefined && this.first < time;
  }

  /**
   * In state `lost`: whether the stream is that of the next file, and the one before was read to its end, so that with
   * `begin('next')` nothing is lost.
   */
  get nextFile(): boolean {
    const { first, target } = this;
    if (!this.endedWhole || first === undefined || !target) return false;
    return first > target.time && first - target.time <= NEXT_FILE_NS;
  }

  /**
   * A new stream begins.
   * @param how `resume`: go on behind the cursor; `after`: its line is gone, take whatever is later; `next`: take
   * everything if it is the next file, otherwise the place is lost; `fresh`: forget it and take everything
   * @param opened when the server opened it, milliseconds since the epoch
   */
  begin(how: 'resume' | 'after' | 'next' | 'fresh', opened?: number): void {
    const time = this.place && how !== 'fresh' ? parseStamp(this.place.stamp) : undefined;
    this.parser = this.newParser();
    this.sawLine = false;
    this.foreign = [];
    this.recent = [];
    this.newest = '';
    this.skip = 0;
    this.target = undefined;
    this.first = undefined;
    this.opened = opened === undefined ? undefined : BigInt(opened) * 1_000_000n;
    this.after = how === 'after' ? time : undefined;
    this.state = 'flowing';
    if ((how === 'resume' || how === 'next') && this.place && time !== undefined) {
      this.state = how === 'next' ? 'next' : 'seeking';
      this.target = { ...this.place, time };
    }
  }

  /** Takes bytes of the stream; returns the content among them that is new. @param now milliseconds, of any clock */
  push(chunk: Buffer, now = 0): Buffer {
    this.out = Buffer.allocUnsafe(chunk.length);
    this.length = 0;
    this.now = now;
    if (this.state !== 'lost' && this.state !== 'doubtful') this.parser.push(chunk);
    return this.out.subarray(0, this.length);
  }

  /** Nothing more comes for now. If lines came, but never the cursor's, it is lost. */
  settle(): void {
    if (this.state === 'seeking' && this.sawLine) this.state = 'lost';
  }

  /**
   * The stream ended.
   * @param whole it came to its own end, and was not cut
   * @param final it was all there is, so that a cursor's line that did not come is not there
   */
  end(whole = true, final = false): void {
    this.parser.end();
    if (whole) this.settle();
    const silent = this.foreign.length === 0;
    if (whole && final && silent && this.state === 'seeking' && !this.endedWhole) this.state = 'lost';
    if (this.state === 'flowing') this.endedWhole = whole && this.foreign.length === 0;
  }

  private newParser(): LogParser {
    return new LogParser({
      begin: (stamp) => this.beginLine(stamp),
      content: (chunk, start, end) => this.addContent(chunk, start, end),
      foreign: (text) => {
        if (this.foreign.length < 10) this.foreign.push(text);
      },
    });
  }

  private beginLine(stamp: string): void {
    if (!this.sawLine) this.first = parseStamp(stamp);
    this.sawLine = true;
    const count = this.count(stamp);
    if (this.state === 'next') this.state = this.nextFile ? 'flowing' : 'lost';
    if (this.state === 'flowing') {
      if (this.after !== undefined) {
        if ((parseStamp(stamp) ?? 0n) <= this.after) return;
        this.after = undefined;
      }
      if (this.mayHaveSkipped(stamp)) {
        this.state = 'doubtful';
        return;
      }
      this.skip = 0;
      this.lineAt = this.now;
      this.place = { stamp, count, taken: 0 };
    } else if (this.state === 'seeking' && this.target) {
      if (stamp === this.target.stamp && count === this.target.count) {
        this.state = 'flowing';
        this.lineAt = this.now;
        this.skip = this.target.taken;
      } else if ((parseStamp(stamp) ?? 0n) > this.target.time + DISORDER_NS) this.state = 'lost';
    }
  }

  /**
   * Whether a file may lie between the last line and this one: a reader that is two rotations behind is given the newest
   * file after the one it had. A line that comes when it was written is no sign of that, nor is one that was there before.
   */
  private mayHaveSkipped(stamp: string): boolean {
    const { place, target, opened } = this;
    // Looked at once a second: stamps are the same up to there.
    if (opened === undefined || !place || stamp.startsWith(place.stamp.slice(0, 19))) return false;
    // The first line behind the cursor's, in a file that was seen to have both.
    if (target?.stamp === place.stamp && target.count === place.count) return false;
    const time = parseStamp(stamp);
    const before = parseStamp(place.stamp);
    if (time === undefined || before === undefined) return false;
    const jump = time - before;
    return (
      jump >= FILE_NS &&
      time > opened + SKEW_NS &&
      BigInt(Math.floor(this.now - this.lineAt)) * 2_000_000n < jump
    );
  }

  private addContent(chunk: Buffer, start: number, end: number): void {
    if (this.state !== 'flowing' || this.after !== undefined || !this.place) return;
    const from = Math.min(end, start + this.skip);
    this.skip -= from - start;
    this.place.taken += end - from;
    this.length += chunk.copy(this.out, this.length, from, end);
  }

  /** How many lines of the stream have had this stamp, with this one. */
  private count(stamp: string): number {
    // Stamps of one log have one format, so that their order as text is that of time; nearly always they go up.
    if (stamp <= this.newest) {
      const known = this.recent.findLast((entry) => entry.stamp === stamp);
      if (known) return ++known.count;
    } else this.newest = stamp;
    this.recent.push({ stamp, count: 1 });
    if (this.recent.length > REMEMBERED) this.recent.shift();
    return 1;
  }
}
