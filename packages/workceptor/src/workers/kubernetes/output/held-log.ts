import type { Place } from './log-place.js';
import { rawLength } from './normalise.js';

interface Held {
  /** Position of the first byte of `raw`, and how many bytes it is in positions. */
  at: number;
  length: number;
  raw: Buffer;
  readonly origin: Place;
  readonly since: number;
}

/** What the log brought and attach may bring as well, with its carriage returns. */
export class HeldLog {
  /** In bytes. */
  size = 0;
  private items: Held[] = [];

  /** Since when the oldest of it waits. */
  get since(): number | undefined {
    return this.items[0]?.since;
  }

  /** The place in the log before the oldest of it. */
  get origin(): Place | undefined {
    return this.items[0]?.origin;
  }

  push(item: Held): void {
    this.items.push(item);
    this.size += item.raw.length;
  }

  /** Takes out what came before time `since` and is before position `to`, in order. */
  release(since: number, to: number): { raw: Buffer; length: number }[] {
    const out: { raw: Buffer; length: number }[] = [];
    for (let item = this.items[0]; item && item.since < since && item.at < to; item = this.items[0]) {
      const length = Math.min(item.length, to - item.at);
      out.push({ raw: this.takeFirst(item, length), length });
    }
    return out;
  }

  /** Drops what is before a position. */
  dropBefore(position: number): void {
    for (let item = this.items[0]; item && item.at < position; item = this.items[0])
      this.takeFirst(item, Math.min(item.length, position - item.at));
  }

  /** Takes out everything, with its time. */
  takeAll(): { raw: Buffer; since: number }[] {
    const { items } = this;
    this.items = [];
    this.size = 0;
    return items;
  }

  private takeFirst(item: Held, length: number): Buffer {
    if (length === item.length) {
      this.items.shift();
      this.size -= item.raw.length;
      return item.raw;
    }
    const cut = rawLength(item.raw, length);
    const taken = item.raw.subarray(0, cut);
    item.raw = item.raw.subarray(cut);
    item.at += length;
    item.length -= length;
    this.size -= cut;
    return taken;
  }
}
