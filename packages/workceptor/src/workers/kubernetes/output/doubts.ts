import type { Uncertain } from './types.js';

const LF = 10;
/** Places that are told apart; those behind run together with the last. */
const PLACES = 1_000;

/** Keeps account of the line feeds that only the log has shown, as a carriage return may have been before each. */
export class Doubts {
  /** Whether there were bytes among them that no text has. */
  binary = false;
  private readonly list: Uncertain[];

  constructor(before: readonly Uncertain[]) {
    this.list = [...before];
  }

  get all(): readonly Uncertain[] {
    return this.list;
  }

  /** Bytes that came from the log alone, and where in stdout they are. */
  add(at: number, raw: Buffer): void {
    this.binary ||= raw.includes(0);
    let lineFeeds = 0;
    for (let next = raw.indexOf(LF); next >= 0; next = raw.indexOf(LF, next + 1)) lineFeeds++;
    const last = this.list.at(-1);
    const joins = last && (last.at + last.bytes === at || this.list.length >= PLACES);
    if (joins) {
      const bytes = at + raw.length - last.at;
      this.list[this.list.length - 1] = { at: last.at, bytes, lineFeeds: last.lineFeeds + lineFeeds };
    } else if (lineFeeds > 0) this.list.push({ at, bytes: raw.length, lineFeeds });
  }
}
