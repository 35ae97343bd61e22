/**
 * The bytes of a pod's log, as the API gives them with `timestamps=true`: each line begins with an RFC 3339 stamp and a
 * space, wherever the chunks are cut. Content is passed on as it comes, never a whole line at a time.
 */
export interface LogSink {
  /** A line begins. */
  begin(stamp: string): void;
  /** More content of the line begun last, its newline included: `chunk[start, end)`. */
  content(chunk: Buffer, start: number, end: number): void;
  /** A line without a stamp: something the kubelet has to say, not output. Its first bytes. */
  foreign(text: string): void;
}

const NEWLINE = 10;
const SPACE = 32;
/** `2006-01-02T15:04:05.000000000+07:00` has 35 characters. */
const STAMP_LIMIT = 40;
const FOREIGN_LIMIT = 512;

export class LogParser {
  private state: 'stamp' | 'content' | 'foreign' = 'stamp';
  /** What has come of a stamp, or of a foreign line, when a chunk ended inside it. */
  private partial: Buffer = Buffer.alloc(0);

  constructor(private readonly sink: LogSink) {}

  push(given: Buffer): void {
    let chunk = given;
    let at = 0;
    if (this.state === 'stamp' && this.partial.length > 0) {
      // The few bytes of a cut stamp, put before the rest; content is not copied.
      const need = chunk.subarray(0, STAMP_LIMIT);
      const joined = Buffer.concat([this.partial, need]);
      const space = joined.indexOf(SPACE);
      if (space < 0 && joined.length < STAMP_LIMIT && joined.indexOf(NEWLINE) < 0) {
        this.partial = joined;
        return;
      }
      const held = this.partial.length;
      this.partial = Buffer.alloc(0);
      if (isStamp(joined, 0, space)) {
        this.sink.begin(joined.toString('latin1', 0, space));
        this.state = 'content';
        at = space + 1 - held;
      } else {
        this.state = 'foreign';
        chunk = Buffer.concat([joined.subarray(0, held), chunk]);
      }
    }
    while (at < chunk.length) {
      if (this.state === 'content') {
        const newline = chunk.indexOf(NEWLINE, at);
        const end = newline < 0 ? chunk.length : newline + 1;
        this.sink.content(chunk, at, end);
        at = end;
        if (newline >= 0) this.state = 'stamp';
      } else if (this.state === 'stamp') {
        const space = chunk.indexOf(SPACE, at);
        if (isStamp(chunk, at, space)) {
          this.sink.begin(chunk.toString('latin1', at, space));
          this.state = 'content';
          at = space + 1;
        } else if (chunk.length - at < STAMP_LIMIT && space < 0 && chunk.indexOf(NEWLINE, at) < 0) {
          this.partial = Buffer.from(chunk.subarray(at));
          return;
        } else this.state = 'foreign';
      } else {
        const newline = chunk.indexOf(NEWLINE, at);
        const end = newline < 0 ? chunk.length : newline;
        const room = FOREIGN_LIMIT - this.partial.length;
        if (room > 0)
          this.partial = Buffer.concat([this.partial, chunk.subarray(at, Math.min(end, at + room))]);
        at = end + 1;
        if (newline >= 0) this.endForeign();
      }
    }
  }

  /** The stream ended. A stamp that was cut off says nothing; a foreign line is told even without its newline. */
  end(): void {
    if (this.state === 'foreign') this.endForeign();
    this.state = 'stamp';
    this.partial = Buffer.alloc(0);
  }

  private endForeign(): void {
    this.sink.foreign(this.partial.toString());
    this.partial = Buffer.alloc(0);
    this.state = 'stamp';
  }
}

/** Whether `chunk[at, space)` has the shape of a stamp; looked at by its punctuation, as this is done for each line. */
function isStamp(chunk: Buffer, at: number, space: number): boolean {
  const length = space - at;
  return (
    length >= 20 &&
    length <= STAMP_LIMIT &&
    chunk[at + 4] === 45 &&
    chunk[at + 7] === 45 &&
    chunk[at + 10] === 84 &&
    chunk[at + 13] === 58 &&
    chunk[at + 16] === 58
  );
}
