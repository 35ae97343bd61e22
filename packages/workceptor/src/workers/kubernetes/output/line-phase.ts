import type { AttachSide } from './attach-side.js';
import { QUIET_MS } from './join.js';
import { LineMerge } from './line-merge.js';
import type { LogPlace } from './log-place.js';
import type { MergedOutput } from './merged-output.js';

/** Silence of both sources after which they are taken to be level. */
const LINE_QUIET_MS = 100;
/** How long the log's lines are held for an attach that is being placed. */
const HOLD_MS = 1000;
/** How long one source is waited for to bring what the other has, while it goes on without. */
const PASSED_MS = 10_000;
/** Silence of the log after which what attach has brought will not come. */
const SETTLED_MS = 1000;

const UNMATCHED =
  'lines of standard output and standard error that attach brought were not found in the log, and may be in the output twice';

/** The merge of two channels over time: when attach is joined, and what is given up. */
export class LinePhase extends LineMerge {
  /** Since when the log should have shown what attach began with. */
  private suspectSince: number | undefined;

  constructor(
    private readonly output: MergedOutput,
    private readonly log: LogPlace,
    private readonly side: AttachSide,
  ) {
    super();
  }

  /** Whether time alone may change something. */
  get restless(): boolean {
    return this.unsettled || !this.level;
  }

  settle(now: number): void {
    const { log, output, side } = this;
    const logQuiet = log.quiet(now);
    const attachQuiet = side.quiet(now);
    if (log.seek && logQuiet >= QUIET_MS && attachQuiet >= QUIET_MS && this.attach === 'joined') {
      log.found(output.known.end);
      this.forgetExpected();
    }
    if (this.attach === 'waiting') {
      const rest = attachQuiet >= LINE_QUIET_MS || this.attachFull;
      if (this.unsettled && logQuiet >= LINE_QUIET_MS && rest && !log.seek) this.join();
      else this.releaseLog(now - HOLD_MS);
    }
    if (this.attach === 'joined' && this.attachFull && logQuiet >= SETTLED_MS && !log.seek) {
      this.forgetExpected();
      output.unsure.add(UNMATCHED);
    }
    this.suspectSince = this.suspicious ? (this.suspectSince ?? now) : undefined;
    const patience = Math.min(logQuiet, now - (this.suspectSince ?? now));
    if (patience >= PASSED_MS && !log.seek) this.trustAttach();
    if (this.attach === 'joined') this.releaseLog(now - PASSED_MS);
    this.drain();
  }

  finish(now: number): void {
    const { log, output } = this;
    this.endLog(now);
    if (this.attach === 'waiting') this.join();
    this.releaseLog();
    this.trustAttach();
    // A log that lost nothing has all that attach has.
    if (this.expects && !log.refused && !log.lossy) output.unsure.add(UNMATCHED);
    this.drain();
  }

  private drain(): void {
    for (const { raw, source } of this.takeWrites()) {
      if (source === 'log') this.output.fromLog(raw);
      else this.output.fromAttach(raw);
    }
  }
}
