import { linesOf } from './whole-lines.js';

const CR = 13;
const LF = 10;
const EMPTY = Buffer.alloc(0);

/**
 * How long a line may be in one entry of the log: containerd writes a longer one in several, between which entries of the
 * other channel may come. A runtime with other lengths does no harm unless it is so that its lines are mixed.
 */
export const RECORD = 16_384;

/** Cuts one channel's lines into records: lines, or pieces of long ones, always the same whatever the chunks are. */
export class Records {
  private held: Buffer = EMPTY;

  /** @param offset how far behind the beginning of a line the first byte is */
  constructor(private offset = 0) {}

  /** Whether a line has begun and not ended. */
  get inLine(): boolean {
    return this.offset > 0 || this.held.length > 0;
  }

  /** Takes bytes; returns the records that are whole. */
  push(bytes: Buffer): Buffer[] {
    const records: Buffer[] = [];
    let rest: Buffer = EMPTY;
    for (const line of linesOf(this.held.length > 0 ? Buffer.concat([this.held, bytes]) : bytes)) {
      const ended = line[line.length - 1] === LF;
      // Whether a carriage return is of the line or of its end only the next byte says.
      let end = ended ? line.length - 1 : line.length;
      while (end > 0 && line[end - 1] === CR) end--;
      let at = 0;
      for (let room = RECORD - (this.offset % RECORD); end - at >= room; room = RECORD) {
        records.push(line.subarray(at, at + room));
        at += room;
        this.offset += room;
      }
      rest = line.subarray(at);
      if (!ended) continue;
      records.push(rest);
      rest = EMPTY;
      this.offset = 0;
    }
    this.held = rest;
    return records;
  }

  /** What is left; there is no more. */
  end(): Buffer[] {
    const { held } = this;
    this.held = EMPTY;
    this.offset = 0;
    return held.length > 0 ? [held] : [];
  }
}
