/** Tells whether a pattern occurs in content that comes in chunks. */
export class Recurrence {
  private tail: Buffer = Buffer.alloc(0);

  constructor(private readonly pattern: Buffer) {}

  /** Whether it occurs in what has come until now. */
  push(content: Buffer): boolean {
    const seen = Buffer.concat([this.tail, content]);
    if (seen.includes(this.pattern)) return true;
    this.tail = Buffer.from(seen.subarray(Math.max(0, seen.length - this.pattern.length + 1)));
    return false;
  }
}
