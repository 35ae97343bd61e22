import { Window } from './window.js';

/** Bytes by which a place is looked for. */
const PATTERN = 64;
/** More places than this say nothing: the output repeats itself. */
const CANDIDATES = 16;
/** Agreement that is taken for proof, when it lasts. */
const ENOUGH = 512;
const PLENTY = 262_144;
/** Agreement that needs no proof: what repeats itself in stretches so long is not told apart. */
const ALL_BUT_SURE = 1 << 20;
/** How far the log may run ahead of attach and still be taken for level with it. */
const SLACK = 65_536;

/** Silence of both sources after which they are taken to be level. */
export const QUIET_MS = 250;
const SHORT_QUIET_MS = 40;
/** How far back an unfinished line is looked for. Bytes. */
const LONGEST_LINE = 16_384;
const LASTING_MS = 300;
const IMPATIENT_MS = 10_000;

/** What the moment is like in which a join is decided. */
export interface Moment {
  readonly now: number;
  /** Milliseconds for which the log has been read to its end and silent; 0 while it is behind or not read. */
  readonly logQuiet: number;
  /** Milliseconds since attach brought something. */
  readonly attachQuiet: number;
  /** Whether attach is not being read, its window being full. */
  readonly full: boolean;
}

/**
 * Finds out where in the log an attach connection began. Its first bytes are looked for in the log; or the log is
 * level with it, and then its beginning is known by counting. Positions are those of normalised output.
 */
export class Joiner {
  /** What attach has brought, or its end: addressed by its own count. */
  readonly window: Window;
  private base = 0;
  private searched: number;
  private candidates: { at: number; agreed: number; since: number }[] = [];
  private repetitive = false;
  /** Whether attach's first bytes were found once. */
  private found = false;
  /** Whether they may have been where nobody looked. */
  private passed = false;
  /** A place that is certain though the log does not go on as attach does. */
  private proven: number | undefined;
  private measure: { start: number; count: number; times: number } | undefined;

  /**
   * @param bound attach cannot have begun before this position
   * @param limit how many bytes of attach are kept
   */
  constructor(
    readonly bound: number,
    private readonly limit: number,
  ) {
    this.window = new Window(limit * 2);
    this.searched = bound;
  }

  /** How many bytes attach has brought. */
  get count(): number {
    return this.window.end;
  }

  /** Bytes of attach that wait for the join. */
  get waiting(): number {
    return this.window.end - this.base;
  }

  get full(): boolean {
    return this.waiting >= this.limit;
  }

  /** The count of the first byte that is kept. */
  get first(): number {
    return this.base;
  }

  /** Whether attach may have begun at several places, and nothing says at which. */
  get ambiguous(): boolean {
    return this.repetitive || this.passed || this.candidates.length > 0;
  }

  /** What the log, read to its end, shows of what attach began with. Only of use where it is not {@link ambiguous}. */
  shown(log: Window): 'all' | 'part' | 'nothing' {
    if (this.found) return 'part';
    if (this.waiting >= PATTERN) return 'nothing';
    const from = this.bound + this.base;
    const short = this.window.slice(this.base, this.count);
    return log.start > from || log.find(short, from) !== undefined ? 'all' : 'nothing';
  }

  /** Forgets what has been kept, which the log has too; only the count goes on. */
  forget(): void {
    this.base = this.window.end;
    this.window.reset(this.window.end);
    this.candidates = [];
    this.repetitive = false;
    this.found = false;
    this.passed = false;
    this.searched = this.bound;
  }

  /** The position at which attach began, as soon as it is certain. `log` is the output as known from the log. */
  decide(log: Window, moment: Moment): number | undefined {
    if (this.waiting === 0) return undefined;
    this.search(log, moment.now);
    if (this.proven !== undefined) return this.proven;
    const level = log.end - this.count;
    if (moment.logQuiet >= QUIET_MS && moment.attachQuiet >= QUIET_MS && !moment.full) {
      if (this.fits(log, level)) return level;
      // Attach is heard by whole lines: the log may be ahead by a line that is not whole yet.
      const lineEnd = level - unfinished(log);
      if (this.fits(log, lineEnd)) return lineEnd;
    }
    return this.byContent(log, moment) ?? this.byMeasure(log, level, moment);
  }

  /** The best there is when nothing more will come. */
  decideAtEnd(log: Window): number | undefined {
    this.search(log, 0);
    const level = log.end - this.count;
    if (this.fits(log, level)) return level;
    const found = this.candidates.at(-1);
    return found && this.certain() ? found.at - this.base : this.proven;
  }

  private fits(log: Window, start: number): boolean {
    return start >= this.bound && log.agrees(start + this.base, this.window.slice(this.base, this.count));
  }

  private byContent(log: Window, moment: Moment): number | undefined {
    const found = this.candidates.at(-1);
    if (!found || this.repetitive || !this.certain()) return undefined;
    const start = found.at - this.base;
    const age = moment.now - found.since;
    // Attach that began at once, as before a payload is sent, began at the bound: there is no earlier place.
    if (start - this.bound <= SLACK && found.agreed >= PLENTY) return start;
    if (found.agreed >= ALL_BUT_SURE) return start;
    // With its window full the container stands still, and the log comes to an end; the last place is the right one.
    if (moment.full) return moment.logQuiet >= QUIET_MS || age >= IMPATIENT_MS ? start : undefined;
    const level = log.end <= start + this.count + SLACK;
    return found.agreed >= ENOUGH && age >= LASTING_MS && level ? start : undefined;
  }

  /** Output that repeats itself and hardly rests: three short rests that all give the same beginning. */
  private byMeasure(log: Window, start: number, moment: Moment): number | undefined {
    if (moment.full || moment.logQuiet < SHORT_QUIET_MS || moment.attachQuiet < SHORT_QUIET_MS)
      return undefined;
    if (this.measure?.start !== start) this.measure = { start, count: this.count, times: 1 };
    else if (this.measure.count !== this.count) {
      this.measure.count = this.count;
      this.measure.times++;
    }
    return this.measure.times >= 3 && this.fits(log, start) ? start : undefined;
  }

  /** Whether there is one place only, and what was found there is not a repetition in itself. */
  private certain(): boolean {
    const [first, second] = this.candidates;
    if (!first || second) return false;
    const window = this.window;
    const pattern = window.slice(this.base, this.base + PATTERN);
    let at = window.find(pattern, this.base + 1);
    for (let tries = 0; at !== undefined; tries++) {
      const again = window.slice(at, window.end);
      if (tries > CANDIDATES || again.equals(window.slice(this.base, this.base + again.length))) return false;
      at = window.find(pattern, at + 1);
    }
    return true;
  }

  private search(log: Window, now: number): void {
    if (this.waiting < PATTERN || this.repetitive) return;
    const pattern = this.window.slice(this.base, this.base + PATTERN);
    let from = Math.max(this.searched, this.bound + this.base);
    if (log.start > from) this.passed = true;
    for (let at = log.find(pattern, from); at !== undefined; at = log.find(pattern, from)) {
      this.found = true;
      this.candidates.push({ at, agreed: 0, since: now });
      from = at + 1;
      if (this.candidates.length > CANDIDATES) {
        this.repetitive = true;
        return;
      }
    }
    this.searched = Math.max(from, log.end - PATTERN + 1);
    this.candidates = this.candidates.filter((candidate) => this.agree(candidate, log));
  }

  private agree(candidate: { at: number; agreed: number }, log: Window): boolean {
    const more = Math.min(this.waiting, log.end - candidate.at) - candidate.agreed;
    if (more <= 0) return true;
    const from = this.base + candidate.agreed;
    if (!log.agrees(candidate.at + candidate.agreed, this.window.slice(from, from + more))) {
      // Attach that was open before the first byte began at the bound, whatever the log has lost since.
      if (candidate.at - this.base === this.bound && candidate.agreed >= ENOUGH) this.proven = this.bound;
      return false;
    }
    candidate.agreed += more;
    return true;
  }
}

/** Bytes at the end of the log that are no whole line; as many as there may be of one. */
function unfinished(log: Window): number {
  const tail = log.slice(Math.max(log.end - LONGEST_LINE, log.start), log.end);
  return tail.length - tail.lastIndexOf(10) - 1;
}
