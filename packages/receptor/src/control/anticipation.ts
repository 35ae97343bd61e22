/** A client that asks again this soon after an answer is waiting for nothing but its answers. */
const AT_ONCE_MS = 0.2;
/** How long its next command is waited for awake. */
const AWAKE_MS = 0.1;
/** So many commands in a row have to come at once before the next one is waited for. */
const PROOF = 8;
/** One that was waited for in vain, as they all are where both share one processor, outweighs so many that came. */
const PENANCE = 100;

/**
 * Stays awake for a moment after an answer where the client has been asking again at once: to wake a process that sleeps
 * takes the system, and the client that has to call it, longer than most commands take.
 */
export class Anticipation {
  #proof = 0;
  #answered = Number.NEGATIVE_INFINITY;
  #waiting = false;
  #turning = false;
  readonly #now: () => number;
  readonly #soon: (turn: () => void) => void;

  /**
   * @param now milliseconds of a clock that only goes on
   * @param soon calls back at the next turn of the event loop, which does not sleep before that
   */
  constructor(now = () => performance.now(), soon: (turn: () => void) => void = setImmediate) {
    this.#now = now;
    this.#soon = soon;
  }

  /** The client has sent something. */
  heard(): void {
    this.#waiting = false;
    const atOnce = this.#now() - this.#answered < AT_ONCE_MS;
    this.#proof = Math.min(this.#proof + 1, atOnce ? 2 * PENANCE : 0);
  }

  /** Everything that the client has asked is answered. */
  answered(): void {
    this.#answered = this.#now();
    if (this.#proof < PROOF) return;
    this.#waiting = true;
    if (this.#turning) return;
    this.#turning = true;
    this.#soon(this.#turn);
  }

  /** While this is pending, the event loop looks for what has come and does not sleep. */
  readonly #turn = (): void => {
    if (this.#waiting && this.#now() - this.#answered < AWAKE_MS) {
      this.#soon(this.#turn);
      return;
    }
    this.#turning = false;
    if (this.#waiting) this.#proof -= PENANCE;
    this.#waiting = false;
  };
}
