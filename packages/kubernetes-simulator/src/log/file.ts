const PAGE_BYTES = 256 * 1024;
const PAGE_ENTRIES = 4096;

/** Length of a timestamp and the space behind it. */
export const STAMP = 31;

/** A run of entries, stored as `<timestamp> <text>\n`, the form in which most readers want them. */
export class LogPage {
  readonly data: Buffer;
  length = 0;
  entries = 0;
  readonly starts = new Int32Array(PAGE_ENTRIES + 1);
  readonly times = new BigInt64Array(PAGE_ENTRIES);
  readonly partial = new Uint8Array(PAGE_ENTRIES);

  constructor(bytes: number) {
    this.data = Buffer.allocUnsafeSlow(bytes);
  }
}

/** One log file of a container: entries in the order in which they were written. */
export class LogFile {
  readonly pages: LogPage[] = [];
  /** The file that took its place at a rotation. */
  next: LogFile | undefined;
  /** Size as the runtime would have it on disk. */
  bytes = 0;
  entries = 0;

  /** Appends an entry; a partial one has no newline behind it. */
  append(time: bigint, stamp: string, text: Uint8Array, partial: boolean): void {
    const size = STAMP + text.length + 1;
    let page = this.pages.at(-1);
    if (!page || page.length + size > page.data.length || page.entries === PAGE_ENTRIES) {
      page = new LogPage(Math.max(size, this.pages.length === 0 ? 16 * 1024 : PAGE_BYTES));
      this.pages.push(page);
    }
    let at = page.length;
    page.times[page.entries] = time;
    page.partial[page.entries] = partial ? 1 : 0;
    at += page.data.write(stamp, at, 'latin1');
    page.data[at++] = 0x20;
    page.data.set(text, at);
    at += text.length;
    if (!partial) page.data[at++] = 0x0a;
    page.entries += 1;
    page.length = at;
    page.starts[page.entries] = at;
    this.entries += 1;
    // `<timestamp> stdout F <text>\n`
    this.bytes += STAMP + 9 + text.length + 1;
  }
}
