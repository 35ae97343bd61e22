import { normalise, rawLength } from './normalise.js';
import { RECORD } from './records.js';

/** Agreement by which a place is looked for. */
const PROBE = 64;

/**
 * What a channel of an attach connection begins with. That can be the middle of a line, which the log has whole: it is
 * kept until the log has shown the record that it is of.
 */
export class Suspect {
  /** There is no more of it. */
  ended = false;
  /** In bytes. */
  size = 0;
  private parts: Buffer[] = [];
  private lineEnds = false;
  private known: string | undefined;

  /** Its first line (normalised), or as much of that as a record may have; to be asked for when it is ripe. */
  get text(): string {
    this.known ??= this.beginning();
    return this.known;
  }

  /** Whether there is enough of it to be found. */
  get ripe(): boolean {
    return this.size > 0 && (this.lineEnds || this.ended || this.size > RECORD);
  }

  push(raw: Buffer): void {
    this.parts.push(raw);
    this.size += raw.length;
    this.lineEnds ||= raw.includes(10);
  }

  /** How many (normalised) bytes of a record of the log this begins with; undefined where it is of another. */
  sharedWith(key: string): number | undefined {
    const { text } = this;
    const probe = text.slice(0, PROBE);
    for (let at = key.indexOf(probe); at >= 0; at = key.indexOf(probe, at + 1)) {
      if (text.startsWith(key.slice(at))) return key.length - at;
    }
    return undefined;
  }

  /** Its first so many (normalised) bytes. */
  first(count: number): Buffer {
    const raw = this.whole();
    return raw.subarray(0, rawLength(raw, count));
  }

  /** What is behind them. */
  behind(count: number): Buffer {
    const raw = this.whole();
    return raw.subarray(rawLength(raw, count));
  }

  private whole(): Buffer {
    if (this.parts.length > 1) this.parts = [Buffer.concat(this.parts)];
    return this.parts[0] ?? Buffer.alloc(0);
  }

  private beginning(): string {
    const norm = normalise(this.whole());
    const newline = norm.indexOf(10);
    return norm.toString('latin1', 0, newline < 0 ? RECORD + 1 : Math.min(newline + 1, RECORD + 1));
  }
}
