import type { Channel } from './attach-side.js';
import { normalise, rawLength } from './normalise.js';
import { Records } from './records.js';
import { Suspect } from './suspect.js';
import { WholeLines } from './whole-lines.js';

/** Longer lines are handled in pieces. */
export const LINE_LIMIT = 1 << 20;
/** Records kept to be matched with the other source, in bytes. */
const LIMIT = 2 << 20;

interface HeldRecord {
  readonly raw: Buffer;
  readonly key: string;
  readonly since: number;
}

/** How often each of a number of records is there. */
class Bag {
  private counts = new Map<string, number>();
  size = 0;

  add(key: string): void {
    this.counts.set(key, (this.counts.get(key) ?? 0) + 1);
    this.size += key.length;
  }

  keys(): Iterable<string> {
    return this.counts.keys();
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

const keyOf = (record: Buffer): string => normalise(record).toString('latin1');

/**
 * The merge for a container that writes to standard output and standard error: the sources have the same records, but not
 * in the same order, so they are matched one by one. A record that one of them brought is not taken from the other.
 */
export class LineMerge {
  attach: 'off' | 'waiting' | 'joined' = 'off';
  private writes: { raw: Buffer; source: 'log' | 'attach' }[] = [];
  private splitter = new WholeLines(LINE_LIMIT);
  private logRecords = new Records();
  /** Records that were output, and that the log still has to bring. */
  private ahead = new Bag();
  /** The beginning of a record that is in the output, where its end is not. */
  private begun = '';
  /** Records of the log that attach may still bring. */
  private held: HeldRecord[] = [];
  private heldSize = 0;
  /** Before the join: what attach has brought. */
  private queue: { channel: Channel; raw: Buffer }[] = [];
  private queueSize = 0;
  /** What each channel of attach brings. */
  private channels: [Records, Records] = [new Records(), new Records()];
  /** With what a connection begins, until it is known whether that is the end of a line. */
  private suspects: [Suspect | undefined, Suspect | undefined] = [undefined, undefined];
  /**
   * What the log gave to the output since attach was asked for, and attach may still bring: no silence says that it has
   * brought all. A record that is taken for an older one like it comes from the log.
   */
  private logged = new Bag();

  /** Whether output and log stand at the same line. */
  get level(): boolean {
    const log = this.ahead.size === 0 && this.begun === '' && this.splitter.pending === 0;
    return log && !this.logRecords.inLine && this.held.length === 0 && !this.queueSize && !this.suspected;
  }

  get attachFull(): boolean {
    return this.queueSize > LIMIT || this.ahead.size > LIMIT || this.suspected > LIMIT;
  }

  get logFull(): boolean {
    return this.heldSize > LIMIT;
  }

  /** Since when the oldest record of the log waits for attach. */
  get waitingSince(): number | undefined {
    return this.held[0]?.since;
  }

  /** Whether anything waits for the join. */
  get unsettled(): boolean {
    return this.held.length > 0 || this.queueSize > 0;
  }

  /** Whether attach has brought what the log has not. */
  get expects(): boolean {
    return this.ahead.size > 0;
  }

  /** Whether attach has brought what the log should have shown by now. */
  get suspicious(): boolean {
    return this.attach !== 'waiting' && this.suspects.some((suspect) => suspect?.ripe);
  }

  private get suspected(): number {
    return this.suspects.reduce((sum, suspect) => sum + (suspect?.size ?? 0), 0);
  }

  /** Output that is due, in order, once. */
  takeWrites(): readonly { raw: Buffer; source: 'log' | 'attach' }[] {
    const { writes } = this;
    this.writes = [];
    return writes;
  }

  /** The log goes on `offset` bytes behind a line's beginning, and brings again what is in the output from there: `bytes`. */
  logGoesOn(offset: number, bytes: Buffer): void {
    this.splitter = new WholeLines(LINE_LIMIT);
    this.logRecords = new Records(offset);
    const output = new Records(offset);
    for (const record of output.push(bytes)) this.ahead.add(keyOf(record));
    this.begun = output.end().map(keyOf).join('');
  }

  /** What came from the log since attach was asked for, and is in the output; it begins `offset` bytes behind that of a line. */
  remember(offset: number, bytes: Buffer): void {
    const records = new Records(offset);
    for (const record of [...records.push(bytes), ...records.end()]) this.logged.add(keyOf(record));
  }

  /** Attach was asked for: from here on it may bring what the log brings. */
  beginAttach(): void {
    this.leaveAttach();
    this.attach = 'waiting';
    this.suspects = [new Suspect(), new Suspect()];
  }

  /** What this channel of attach brings next begins `offset` bytes behind the beginning of a line. */
  channelGoesOn(channel: Channel, offset: number): void {
    this.channels[channel] = new Records(offset);
    this.suspects[channel] = undefined;
  }

  /** Attach is known to have begun with the first byte: no line of it can lack its beginning. */
  trustAttach(): void {
    for (const channel of [0, 1] as const) {
      const suspect = this.suspects[channel];
      this.suspects[channel] = undefined;
      if (!suspect) continue;
      this.channelBrings(channel, suspect.behind(0));
      if (suspect.ended) this.endChannel(channel);
    }
  }

  onLog(now: number, content: Buffer): void {
    for (const raw of this.logRecords.push(this.splitter.push(content))) this.logRecord(now, raw);
  }

  onAttach(channel: Channel, raw: Buffer): void {
    if (this.attach === 'joined') this.channelBrings(channel, raw);
    else {
      this.queue.push({ channel, raw });
      this.queueSize += raw.length;
    }
  }

  /** The log has everything that attach has brought until now, or will not have it: attach gives the output from here. */
  join(): void {
    this.releaseLog();
    this.attach = 'joined';
    const { queue } = this;
    this.queue = [];
    this.queueSize = 0;
    for (const { channel, raw } of queue) this.channelBrings(channel, raw);
  }

  /** Attach has come to the end of the output. */
  endAttach(): void {
    for (const channel of [0, 1] as const) {
      const suspect = this.suspects[channel];
      if (suspect) suspect.ended = true;
      else this.endChannel(channel);
      this.clear(channel);
    }
  }

  /** Attach is gone, and what it brought without having been joined is not used. */
  drop(): void {
    this.leaveAttach();
    this.releaseLog();
  }

  /** Gives what the log brought before `since` to the output. */
  releaseLog(since = Number.POSITIVE_INFINITY): void {
    let count = 0;
    for (const { key, raw, since: from } of this.held) {
      if (from >= since) break;
      count++;
      this.heldSize -= raw.length;
      const written = this.writeLog(key, raw);
      if (this.attach === 'joined') this.remembered(written);
    }
    this.held.splice(0, count);
  }

  /** The log has been read to its end and brought no match: what is still expected is not in it. */
  forgetExpected(): void {
    this.ahead.clear();
    this.begun = '';
    this.trustAttach();
    this.ahead.clear();
  }

  /** The log's next line comes after others that it has lost. */
  logSkips(now: number): void {
    // Attach has the rest of a line that the log has not ended.
    if (this.attach === 'joined') this.splitter.end();
    else this.endLog(now);
    this.logRecords = new Records();
    this.begun = '';
    this.trustAttach();
  }

  /** The log is at its end: its last line is whole even without a newline. */
  endLog(now: number): void {
    const rest = this.logRecords.push(this.splitter.end());
    for (const raw of [...rest, ...this.logRecords.end()]) this.logRecord(now, raw);
  }

  private leaveAttach(): void {
    this.attach = 'off';
    this.queue = [];
    this.queueSize = 0;
    this.logged.clear();
    this.channels = [new Records(), new Records()];
    // What is known to be all may be needed; the log brings what is not.
    this.suspects = [0, 1].map((channel) => {
      const suspect = this.suspects[channel];
      return suspect?.ended ? suspect : undefined;
    }) as typeof this.suspects;
  }

  private logRecord(now: number, raw: Buffer): void {
    const key = keyOf(raw);
    if (this.ahead.take(key)) return;
    if (this.begun !== '' && key.startsWith(this.begun) && this.ahead.take(key.slice(this.begun.length))) {
      this.begun = '';
      return;
    }
    if (this.attach === 'waiting') this.remembered(key);
    if (this.attach !== 'waiting' && this.clearBy(key, raw)) return;
    if (this.attach === 'off') {
      const written = this.writeLog(key, raw);
      if (this.suspected > 0) this.remembered(written);
    } else {
      this.held.push({ raw, key, since: now });
      this.heldSize += raw.length;
    }
  }

  /** Writes a record of the log, or its end where its beginning is in the output; returns the key of what was written. */
  private writeLog(key: string, raw: Buffer): string {
    const { begun } = this;
    const known = begun !== '' && key.startsWith(begun) ? begun.length : 0;
    if (known > 0) this.begun = '';
    this.writes.push({ raw: raw.subarray(rawLength(raw, known)), source: 'log' });
    return key.slice(known);
  }

  private remembered(key: string): void {
    this.logged.add(key);
    this.logged.trim(2 * LIMIT);
  }

  private channelBrings(channel: Channel, raw: Buffer): void {
    const suspect = this.suspects[channel];
    if (suspect) {
      suspect.push(raw);
      this.clear(channel);
    } else for (const record of this.channels[channel].push(raw)) this.attachRecord(record);
  }

  private attachRecord(raw: Buffer): void {
    const key = keyOf(raw);
    if (this.logged.take(key)) return;
    this.writes.push({ raw, source: 'attach' });
    let at = this.held.findIndex((record) => record.key === key);
    if (at < 0 && this.begun !== '') {
      const whole = this.begun + key;
      at = this.held.findIndex((record) => record.key === whole);
      if (at >= 0) this.begun = '';
    }
    if (at < 0) this.ahead.add(key);
    else this.takeHeld(at);
  }

  private takeHeld(at: number): void {
    for (const record of this.held.splice(at, 1)) this.heldSize -= record.raw.length;
  }

  // ---- what attach begins with

  /** Looks for what a channel begins with in what the log has brought. */
  private clear(channel: Channel): void {
    const suspect = this.suspects[channel];
    if (!suspect?.ripe) return;
    const { text } = suspect;
    if (this.logged.take(text)) {
      this.goOnBehind(channel, suspect, text.length);
      return;
    }
    let at = this.held.findIndex(({ key }) => key === text);
    if (at < 0) {
      for (const key of this.logged.keys()) {
        const shared = suspect.sharedWith(key);
        if (shared === undefined) continue;
        // Attach may bring the whole record all the same, if this is of another.
        this.goOnBehind(channel, suspect, shared);
        return;
      }
      at = this.held.findIndex(({ key }) => suspect.sharedWith(key) !== undefined);
    }
    const record = this.held[at];
    if (!record) return;
    this.takeHeld(at);
    this.writeShared(channel, suspect, record.key, record.raw);
  }

  /** Whether a record of the log shows what a channel begins with; it is written then. */
  private clearBy(key: string, raw: Buffer): boolean {
    const clears = ([0, 1] as const).filter((channel) => {
      const suspect = this.suspects[channel];
      return suspect?.ripe && suspect.sharedWith(key) !== undefined;
    });
    // A whole line is better than the end of one.
    const channel = clears.find((each) => this.suspects[each]?.text === key) ?? clears[0];
    const suspect = channel === undefined ? undefined : this.suspects[channel];
    if (channel === undefined || !suspect) return false;
    this.writeShared(channel, suspect, key, raw);
    return true;
  }

  /** Writes the record that a channel begins in, and goes on behind it. */
  private writeShared(channel: Channel, suspect: Suspect, key: string, raw: Buffer): void {
    const shared = suspect.sharedWith(key) ?? 0;
    if (shared === key.length) this.writes.push({ raw: suspect.first(shared), source: 'attach' });
    else this.logged.add(this.writeLog(key, raw));
    this.goOnBehind(channel, suspect, shared);
  }

  /** Takes what attach has brought behind the record that it began in. */
  private goOnBehind(channel: Channel, suspect: Suspect, shared: number): void {
    this.suspects[channel] = undefined;
    this.channels[channel] = new Records();
    this.channelBrings(channel, suspect.behind(shared));
    if (suspect.ended) this.endChannel(channel);
  }

  private endChannel(channel: Channel): void {
    for (const record of this.channels[channel].end()) this.attachRecord(record);
  }
}
