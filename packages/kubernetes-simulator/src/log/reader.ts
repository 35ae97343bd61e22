import type { ContainerLog } from './container-log.js';
import { type LogFile, STAMP } from './file.js';

/** What a reader of a log asks for; the query of the log API. */
export interface LogReadOptions {
  /** Goes on until the container has ended. */
  follow?: boolean | undefined;
  /** Puts the time before each line. */
  timestamps?: boolean | undefined;
  /** Drops entries older than this, in nanoseconds since 1970. */
  since?: bigint | undefined;
  /** Begins so many entries before the end. */
  tailLines?: number | undefined;
  /** Ends after so many bytes. */
  limitBytes?: number | undefined;
}

const CHUNK = 64 * 1024;

/**
 * A reader's place in a log, with the ways of the kubelet's: it begins with the newest file, a line split into
 * several entries has one timestamp, and an entry dropped by `since` still counts as the beginning of its line.
 */
export class LogCursor {
  readonly #log: ContainerLog;
  readonly #options: LogReadOptions;
  #file: LogFile;
  #page = 0;
  #entry = 0;
  #newLine = true;
  #left: number;

  constructor(log: ContainerLog, options: LogReadOptions) {
    this.#log = log;
    this.#options = options;
    this.#file = log.newest;
    this.#left = options.limitBytes ?? Number.POSITIVE_INFINITY;
    if (options.tailLines !== undefined) this.#skip(Math.max(0, this.#file.entries - options.tailLines));
  }

  /** Whether the limit of bytes is reached. */
  get ended(): boolean {
    return this.#left <= 0;
  }

  /** The next bytes of the present file, or undefined at its end. */
  next(): Buffer | undefined {
    if (this.ended) return undefined;
    this.#leaveRotated();
    const chunk = this.#options.timestamps ? this.#stamped() : this.#plain();
    if (!chunk) return undefined;
    const allowed = chunk.length > this.#left ? chunk.subarray(0, this.#left) : chunk;
    this.#left -= allowed.length;
    return allowed;
  }

  /** At the end of a file: goes on to the next one if there is one to go on to. */
  atEnd(): boolean {
    if (!this.#file.next || (this.#log.closed && this.#log.settings.loses !== 'never')) return true;
    this.#open(this.#log.settings.loses === 'never' ? this.#file.next : this.#log.newest);
    return false;
  }

  #leaveRotated(): void {
    if (this.#log.settings.loses === 'unread' && this.#file.next && this.#options.follow)
      this.#open(this.#log.newest);
  }

  #open(file: LogFile): void {
    this.#file = file;
    this.#page = 0;
    this.#entry = 0;
    this.#newLine = true;
  }

  #skip(entries: number): void {
    let left = entries;
    for (let page = this.#file.pages[this.#page]; page; page = this.#file.pages[this.#page]) {
      if (left < page.entries) {
        this.#entry = left;
        return;
      }
      left -= page.entries;
      if (this.#page === this.#file.pages.length - 1) {
        this.#entry = page.entries;
        return;
      }
      this.#page += 1;
    }
  }

  /** The page to read from, or undefined at the end of what is written. */
  #current() {
    let page = this.#file.pages[this.#page];
    while (page && this.#entry === page.entries && this.#page + 1 < this.#file.pages.length) {
      this.#page += 1;
      this.#entry = 0;
      page = this.#file.pages[this.#page];
    }
    return page && this.#entry < page.entries ? page : undefined;
  }

  /** Entries as they are stored: runs of them are handed out without copying. */
  #stamped(): Buffer | undefined {
    for (let page = this.#current(); page; page = this.#current()) {
      let from = -1;
      let to = -1;
      for (; this.#entry < page.entries; this.#entry += 1) {
        const start = page.starts[this.#entry] as number;
        const end = page.starts[this.#entry + 1] as number;
        const partial = page.partial[this.#entry] === 1;
        const wanted = !this.#dropped(page.times[this.#entry] as bigint);
        const begin = this.#newLine ? start : start + STAMP;
        if (from >= 0 && (!wanted || begin !== to || to - from >= CHUNK)) break;
        this.#newLine = !partial || end - start === STAMP;
        if (!wanted) continue;
        if (from < 0) from = begin;
        to = end;
      }
      if (from >= 0 && to > from) return page.data.subarray(from, to);
    }
    return undefined;
  }

  #plain(): Buffer | undefined {
    const out = Buffer.allocUnsafe(CHUNK);
    let length = 0;
    for (let page = this.#current(); page; page = this.#current()) {
      for (; this.#entry < page.entries; this.#entry += 1) {
        const start = (page.starts[this.#entry] as number) + STAMP;
        const end = page.starts[this.#entry + 1] as number;
        if (this.#dropped(page.times[this.#entry] as bigint)) continue;
        if (length + end - start > out.length) return out.subarray(0, length);
        page.data.copy(out, length, start, end);
        length += end - start;
      }
    }
    return length > 0 ? out.subarray(0, length) : undefined;
  }

  #dropped(time: bigint): boolean {
    return this.#options.since !== undefined && time < this.#options.since;
  }
}
