/** The last bytes of a long sequence, addressed by their place in the whole. Grows up to twice its limit, no further. */
export class Window {
  private bytes: Buffer = Buffer.allocUnsafe(4096);
  private used = 0;

  /**
   * @param limit how many bytes are sure to be kept
   * @param end the place of the next byte
   */
  constructor(
    private readonly limit: number,
    public end = 0,
  ) {}

  /** The place of the first byte that is kept. */
  get start(): number {
    return this.end - this.used;
  }

  append(given: Buffer): void {
    let bytes = given;
    if (given.length > this.limit) {
      bytes = given.subarray(given.length - this.limit);
      this.used = 0;
    }
    this.end += given.length;
    if (this.used + bytes.length > this.bytes.length) this.makeRoom(bytes.length);
    bytes.copy(this.bytes, this.used);
    this.used += bytes.length;
  }

  /** What is kept of `[from, to)`; shares memory, for use at once. */
  slice(from: number, to: number): Buffer {
    const start = this.start;
    return this.bytes.subarray(Math.max(0, from - start), Math.max(0, Math.min(to, this.end) - start));
  }

  /** Whether `bytes` stand at `at`, as far as both are known. */
  agrees(at: number, bytes: Buffer): boolean {
    const from = Math.max(at, this.start);
    const to = Math.min(at + bytes.length, this.end);
    return to <= from || this.slice(from, to).equals(bytes.subarray(from - at, to - at));
  }

  /** Where `pattern` begins first, from `from` on; undefined where it does not. */
  find(pattern: Buffer, from: number): number | undefined {
    const at = this.bytes.subarray(0, this.used).indexOf(pattern, Math.max(0, from - this.start));
    return at < 0 ? undefined : this.start + at;
  }

  /** Forgets what is kept from `at` on. */
  cutBack(at: number): void {
    this.used = Math.max(0, this.used - Math.max(0, this.end - at));
    this.end = Math.min(this.end, at);
  }

  /** Forgets what is kept and goes on at `end`. */
  reset(end: number): void {
    this.end = end;
    this.used = 0;
  }

  private makeRoom(more: number): void {
    if (this.used + more > this.limit * 2) {
      const keep = Math.min(this.used, this.limit);
      this.bytes.copyWithin(0, this.used - keep, this.used);
      this.used = keep;
    }
    if (this.used + more > this.bytes.length) {
      const size = Math.min(this.limit * 2, Math.max(this.bytes.length * 2, this.used + more));
      const grown = Buffer.allocUnsafe(size);
      this.bytes.copy(grown, 0, 0, this.used);
      this.bytes = grown;
    }
  }
}
