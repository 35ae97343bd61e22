import type { AttachSide } from './attach-side.js';
import { QUIET_MS } from './join.js';
import type { LogPlace } from './log-place.js';
import { endsAlike, type LogTail, tailLines } from './log-tail.js';
import type { MergedOutput } from './merged-output.js';

/** Silence of the log after which what is looked for in it is not there. */
const SETTLED_MS = 1000;
/** While parked, the log is taken up again when the output has grown by less than this in so long. */
const CALM_MS = 500;
const CALM_BYTES = 512 << 10;

/** How the output stands while the log is not followed. */
export interface Standing {
  /** Whether attach gives the output. */
  readonly joined: boolean;
  /** Attach has been asked for and is not joined. */
  readonly waiting: boolean;
}

/** Leaves the log when it is too far behind, and finds the output's end in it again when it is needed. */
export class LogSearch {
  private calm = { since: 0, written: 0 };

  /** @param dropAttach what attach has brought cannot be placed any more */
  constructor(
    private readonly output: MergedOutput,
    private readonly log: LogPlace,
    private readonly side: AttachSide,
    private readonly dropAttach: () => void,
  ) {}

  start(now: number, where: 'near' | 'start', { joined }: Standing): void {
    this.log.startSeek(this.output.known, where, joined ? this.side.lastAt : now);
  }

  park(): void {
    this.log.park();
    this.calm = { since: Number.NEGATIVE_INFINITY, written: 0 };
  }

  /** Attach has brought everything to the end: of a log that is left behind the end alone is of interest. */
  lookAtTail(): void {
    this.log.look(tailLines(this.output.known));
  }

  /** @param tail the log's end, if it could be read */
  judgeTail(now: number, tail: LogTail | undefined, standing: Standing): void {
    const { known } = this.output;
    if (tail && endsAlike(known, tail)) this.log.close(known.end, tail.cursor);
    else this.takeUp(now, standing);
  }

  /** Reads the log again that was parked. */
  takeUp(now: number, { joined }: Standing): void {
    this.log.resume(this.output.known, joined ? this.side.lastAt : now);
  }

  /** Lets time have its effect. */
  settle(now: number, standing: Standing): void {
    const { log, side } = this;
    if (log.seek && log.quiet(now) >= SETTLED_MS) {
      const hopeless = !standing.joined || side.quiet(now) >= QUIET_MS || !log.seek.repetitive;
      if (hopeless) this.failed(now, standing);
    }
    if (log.parked && standing.joined) this.settleParked(now, standing);
  }

  /** What was looked for is not where it was looked for. */
  failed(now: number, standing: Standing): void {
    const { log, output, side } = this;
    const { seek } = log;
    if (!seek) return;
    const { joined, waiting } = standing;
    if (joined && side.quiet(now) >= QUIET_MS && seek.endsLike(output.known)) log.found(output.known.end);
    else if (seek.place === 'near') this.start(now, 'start', standing);
    else if (joined) this.park();
    else {
      const again = seek.overlap(output.known);
      if (again === 0 && seek.sawBytes && side.complete) {
        this.park();
        return;
      }
      log.found(output.known.end - again);
      if (!seek.sawBytes) {
        if (side.whole) output.notes.add('The log had been rotated; its end could not be compared.');
        else output.gap('the log was rotated, and attach had not come to the end');
        return;
      }
      if (again === 0) {
        output.gap('the log no longer had what followed');
        if (waiting) this.dropAttach();
      }
      log.cursor = undefined;
      log.give({ kind: 'start' });
    }
  }

  private settleParked(now: number, standing: Standing): void {
    if (now - this.calm.since < CALM_MS) return;
    const { written } = this.output;
    const grown = written - this.calm.written;
    const first = this.calm.since === Number.NEGATIVE_INFINITY;
    this.calm = { since: now, written };
    if (!first && grown < CALM_BYTES) this.takeUp(now, standing);
  }
}
