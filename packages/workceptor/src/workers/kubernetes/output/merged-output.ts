import type { Flaws, MergeStart } from './checkpoint.js';
import { Doubts } from './doubts.js';
import { Folding } from './folding.js';
import type { Gap, Uncertain } from './types.js';
import { Window } from './window.js';

/** How far the sources may be apart, and what is kept to compare them by. */
export const WINDOW = 2 << 20;

/** The output as far as it has been put together, and what is known of it. */
export class MergedOutput {
  /** Bytes written. */
  size: number;
  /** Position behind what has been written. */
  written: number;
  /** The end of what is known of the output, from either source. */
  readonly known: Window;
  readonly folding = new Folding();
  readonly notes = new Set<string>();
  /** What may be wrong with it though nothing shows where; a phrase each. */
  readonly unsure = new Set<string>();
  private readonly gaps: Gap[];
  private readonly doubts: Doubts;
  private writes: Buffer[] = [];

  constructor(start: MergeStart) {
    this.size = start.size;
    this.written = start.written;
    this.known = new Window(WINDOW, start.written - start.tail.length);
    this.known.append(start.tail);
    this.gaps = [...start.gaps];
    this.doubts = new Doubts(start.uncertain);
    this.folding.returns = start.returns;
  }

  get flaws(): Flaws {
    return { gaps: [...this.gaps], uncertain: this.uncertain, returns: this.folding.returns };
  }

  /** Parts that only the log had, while it is not known to keep carriage returns. */
  get uncertain(): readonly Uncertain[] {
    return this.folding.verdict === 'keeps' ? [] : [...this.doubts.all];
  }

  /** Whether there is a sign that carriage returns are missing there: binary output, or others in this output. */
  get suspicious(): boolean {
    return this.uncertain.length > 0 && (this.folding.returns || this.doubts.binary);
  }

  /** Writes what attach has brought. */
  fromAttach(raw: Buffer): void {
    this.write(raw);
  }

  /** Writes what only the log has. */
  fromLog(raw: Buffer): void {
    if (this.folding.verdict !== 'keeps') this.doubts.add(this.size, raw);
    this.write(raw);
  }

  /** At this place something is missing, and nobody knows how much. */
  gap(reason: string, at = this.size): void {
    const later = this.gaps.findIndex((gap) => gap.at > at);
    this.gaps.splice(later < 0 ? this.gaps.length : later, 0, { at, bytes: undefined, reason });
  }

  /** What is to be written, once. */
  takeWrites(): Buffer[] {
    const writes = this.writes;
    this.writes = [];
    return writes;
  }

  private write(raw: Buffer): void {
    if (raw.length === 0) return;
    this.size += raw.length;
    this.writes.push(raw);
  }
}
