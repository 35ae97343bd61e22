import { type ReturnRun, returnRuns } from './normalise.js';

/** Line feeds with carriage returns before them that are remembered of each source. */
const REMEMBERED = 256;

/** What one source has shown of line feeds in a stretch of the output. */
class Shown {
  from = 0;
  to = 0;
  runs: ReturnRun[] = [];

  /** Takes what is at `[at, to)`. A stretch that does not continue the one before replaces it. */
  add(at: number, to: number, runs: ReturnRun[]): void {
    if (at !== this.to) {
      this.from = at;
      this.runs = [];
    }
    this.to = to;
    if (runs.length === 0) return;
    this.runs.push(...runs);
    if (this.runs.length <= REMEMBERED) return;
    const kept = this.runs.length - REMEMBERED;
    this.from = (this.runs[kept - 1]?.at ?? this.from) + 1;
    this.runs = this.runs.slice(kept);
  }

  has(at: number): boolean {
    return at >= this.from && at < this.to;
  }

  countAt(at: number): number {
    return this.runs.find((run) => run.at === at)?.count ?? 0;
  }
}

/**
 * Finds out whether the log leaves out carriage returns before line feeds, by a line feed that both sources have shown.
 * (containerd leaves out one, CRI-O none.)
 */
export class Folding {
  verdict: 'unknown' | 'folds' | 'keeps' = 'unknown';
  /** Whether attach has shown carriage returns before line feeds. */
  returns = false;
  private readonly attach = new Shown();
  private readonly log = new Shown();

  /** Attach's bytes at a position; `norm` is what they are without carriage returns before line feeds. */
  onAttach(at: number, raw: Buffer, norm: Buffer): void {
    if (norm.length < raw.length) this.returns = true;
    if (this.verdict === 'unknown') this.compare(this.attach, at, raw, norm);
  }

  /** The log's bytes at a position. */
  onLog(at: number, raw: Buffer, norm: Buffer): void {
    if (this.verdict === 'unknown') this.compare(this.log, at, raw, norm);
  }

  private compare(source: Shown, at: number, raw: Buffer, norm: Buffer): void {
    const runs = norm.length === raw.length ? [] : returnRuns(raw, at);
    source.add(at, at + norm.length, runs);
    const other = source === this.log ? this.attach : this.log;
    const place =
      runs.find((run) => other.has(run.at))?.at ??
      other.runs.find((run) => run.at >= at && source.has(run.at))?.at;
    if (place === undefined) return;
    this.verdict = this.log.countAt(place) < this.attach.countAt(place) ? 'folds' : 'keeps';
  }
}
