import { normalise } from './normalise.js';
import { linesOf, WholeLines } from './whole-lines.js';

/** Longer lines are handled in pieces. */
export const LINE_LIMIT = 1 << 20;
/** Lines kept to be matched with the other source, in bytes. */
const LIMIT = 2 << 20;

interface HeldLine {
  readonly raw: Buffer;
  readonly key: string;
  readonly since: number;
}

/** How often each of a number of lines is there. */
class Bag {
  private counts = new Map<string, number>();
  size = 0;

  add(key: string): void {
    this.counts.set(key, (this.counts.get(key) ?? 0) + 1);
    this.size += key.length;
  }

  take(key: string): boolean {
    const count = this.counts.get(key);
    if (!count) return false;
    if (count === 1) this.counts.delete(key);
    else this.counts.set(key, count - 1);
    this.size -= key.length;
    return true;
  }

  /** Forgets the oldest beyond so many bytes. */
  trim(limit: number): void {
    for (const [key, count] of this.counts) {
      if (this.size <= limit) return;
      this.counts.delete(key);
      this.size -= key.length * count;
    }
  }

  clear(): void {
    this.counts.clear();
    this.size = 0;
  }
}

const keyOf = (line: Buffer): string => normalise(line).toString('latin1');

/**
 * The merge for a container that writes to standard output and standard error: the sources have the same lines, but not
 * in the same order, so they are matched line by line. A line that one of them brought is not taken from the other.
 */
export class LineMerge {
  attach: 'off' | 'waiting' | 'joined' = 'off';
  private writes: { raw: Buffer; source: 'log' | 'attach' }[] = [];
  private splitter = new WholeLines(LINE_LIMIT);
  /** Lines that were output, and that the log still has to bring. */
  private ahead = new Bag();
  /** Lines of the log that attach may still bring. */
  private held: HeldLine[] = [];
  private heldSize = 0;
  /** Before the join: what attach has brought. */
  private queue: { raw: Buffer; key: string }[] = [];
  private queueSize = 0;
  /**
   * What the log gave to the output since attach was asked for, and attach may still bring: no silence says that it has
   * brought all. A line that is taken for an older one like it comes from the log.
   */
  private logged = new Bag();

  /** Whether output and log stand at the same line. */
  get level(): boolean {
    return this.ahead.size === 0 && this.held.length === 0 && this.splitter.pending === 0 && !this.queueSize;
  }

  get attachFull(): boolean {
    return this.queueSize > LIMIT || this.ahead.size > LIMIT;
  }

  get logFull(): boolean {
    return this.heldSize > LIMIT;
  }

  /** Since when the oldest line of the log waits for attach. */
  get waitingSince(): number | undefined {
    return this.held[0]?.since;
  }

  /** Whether anything waits for the join. */
  get unsettled(): boolean {
    return this.held.length > 0 || this.queueSize > 0;
  }

  /** Output that is due, in order, once. */
  takeWrites(): readonly { raw: Buffer; source: 'log' | 'attach' }[] {
    const { writes } = this;
    this.writes = [];
    return writes;
  }

  /** These lines are in the output; the log still has to bring them. */
  expect(bytes: Buffer): void {
    for (const line of linesOf(bytes)) this.ahead.add(keyOf(line));
  }

  /** These lines came from the log since attach was asked for, and are in the output. */
  remember(bytes: Buffer): void {
    for (const line of linesOf(bytes)) this.logged.add(keyOf(line));
  }

  /** Attach was asked for: from here on it may bring what the log brings. */
  beginAttach(): void {
    this.attach = 'waiting';
    this.queue = [];
    this.queueSize = 0;
    this.logged.clear();
  }

  onLog(now: number, content: Buffer): void {
    for (const raw of linesOf(this.splitter.push(content))) this.logLine(now, raw);
  }

  onAttach(lines: Buffer): void {
    for (const raw of linesOf(lines)) {
      const key = keyOf(raw);
      if (this.attach === 'joined') this.attachLine(raw, key);
      else {
        this.queue.push({ raw, key });
        this.queueSize += raw.length;
      }
    }
  }

  /** The log has everything that attach has brought until now, or will not have it: attach gives the output from here. */
  join(): void {
    const known = this.logged;
    const rest = this.queue.filter((line) => !known.take(line.key));
    this.releaseLog();
    for (const line of rest) {
      this.writes.push({ raw: line.raw, source: 'attach' });
      this.ahead.add(line.key);
    }
    this.queue = [];
    this.queueSize = 0;
    this.attach = 'joined';
  }

  /** Attach is gone, and what it brought without having been joined is not used. */
  drop(): void {
    this.attach = 'off';
    this.queue = [];
    this.queueSize = 0;
    this.logged.clear();
    this.releaseLog();
  }

  /** Gives what the log brought before `since` to the output. */
  releaseLog(since = Number.POSITIVE_INFINITY): void {
    let count = 0;
    for (const line of this.held) {
      if (line.since >= since) break;
      count++;
      this.heldSize -= line.raw.length;
      this.writes.push({ raw: line.raw, source: 'log' });
      if (this.attach === 'joined') this.logged.add(line.key);
    }
    this.held.splice(0, count);
  }

  /** The log has been read to its end and brought no match: what is still expected is not in it. */
  forgetExpected(): void {
    this.ahead.clear();
  }

  /** The log is at its end: its last line is whole even without a newline. */
  endLog(now: number): void {
    const rest = this.splitter.end();
    if (rest.length > 0) this.logLine(now, rest);
  }

  private logLine(now: number, raw: Buffer): void {
    const key = keyOf(raw);
    if (this.ahead.take(key)) return;
    if (this.attach === 'waiting') {
      this.logged.add(key);
      this.logged.trim(2 * LIMIT);
    }
    if (this.attach === 'off') {
      this.writes.push({ raw, source: 'log' });
    } else {
      this.held.push({ raw, key, since: now });
      this.heldSize += raw.length;
    }
  }

  private attachLine(raw: Buffer, key: string): void {
    if (this.logged.take(key)) return;
    this.writes.push({ raw, source: 'attach' });
    const at = this.held.findIndex((line) => line.key === key);
    if (at < 0) {
      this.ahead.add(key);
      return;
    }
    for (const line of this.held.splice(at, 1)) this.heldSize -= line.raw.length;
  }
}
