import { LINE_LIMIT } from './line-merge.js';
import { WholeLines } from './whole-lines.js';

/** Attach that is silent for so long while the log goes on is dead. */
const DEAD_MS = 3000;
/** Attach's lines go on in pieces of this length while only one channel is in use: sooner than the log's, at 16 KiB. */
const PIECE = 8_192;

/** Channel 0 is standard output, 1 standard error. */
export type Channel = 0 | 1;

/** One attach connection after the other: what comes of them, by whole lines, and when they were last heard of. */
export class AttachSide {
  /** Asked for and not closed. */
  asked = false;
  /** Whether any has brought something. */
  used = false;
  /** Whether the last one said itself that the output is at its end. */
  whole = false;
  /** Whether that one gave the output, so that nothing can be missing at its end. */
  complete = false;
  /** Whether it is being listened to; its silence means nothing otherwise. */
  private heard = true;
  private brought = false;
  private heardOnce: number | undefined;
  private last = 0;
  private channels = [new WholeLines(PIECE), new WholeLines(PIECE)] as const;
  private seen: Channel | undefined;
  /** The only channel in use before both were. */
  single: Channel = 0;
  /** Whether both channels have been seen. */
  mixed = false;

  /** When the last bytes came. */
  get lastAt(): number {
    return this.last;
  }

  /** Since when the present connection is open; undefined while it is being opened. */
  get openSince(): number | undefined {
    return this.heardOnce;
  }

  ask(now: number): void {
    this.asked = true;
    this.complete = false;
    this.brought = false;
    this.heardOnce = undefined;
    this.last = now;
    for (const channel of this.channels) channel.end();
  }

  onHeard(now: number, heard: boolean): void {
    if (heard) this.heardOnce ??= now;
    if (heard && !this.heard) this.last = now;
    this.heard = heard;
  }

  /** Whether bytes of this channel come after such of the other. */
  changes(channel: Channel): boolean {
    const changes = this.seen !== undefined && this.seen !== channel;
    if (!changes && !this.mixed) this.single = channel;
    this.seen = channel;
    this.mixed ||= changes;
    return changes;
  }

  /** Takes bytes; returns whole lines, or pieces of long ones. */
  push(now: number, channel: Channel, bytes: Buffer): Buffer {
    this.last = now;
    this.used = true;
    this.brought = true;
    return this.channels[channel].push(bytes);
  }

  /** What is left of each channel when the connection ends. */
  close(whole: boolean, joined: boolean): Buffer[] {
    // One that brings nothing, after one that ended well, takes nothing back.
    if (whole || this.brought) this.whole = whole;
    this.complete = whole && joined;
    return this.channels.map((channel) => channel.end());
  }

  /** From here on whole lines count, not speed. */
  keepLinesWhole(): void {
    for (const channel of this.channels) channel.limit = LINE_LIMIT;
  }

  /** Milliseconds for which it has been silent; 0 while it is not listened to, without end when there is none. */
  quiet(now: number): number {
    if (!this.asked) return Number.POSITIVE_INFINITY;
    return this.heard ? now - this.last : 0;
  }

  /** Whether it has been silent although the log shows, since `waiting`, that there is output. */
  isDead(now: number, waiting: number | undefined): boolean {
    return waiting !== undefined && now - waiting > DEAD_MS && this.quiet(now) > DEAD_MS;
  }
}
