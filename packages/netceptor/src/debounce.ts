import type { CancelTimer, Clock } from './clock.js';

/** How long a {@link Debounce} waits, in milliseconds. */
export interface DebounceTimes {
  /** From a request to the action when nothing happened lately; requests in between are met by the same action. */
  readonly soon: number;
  /** Between one action and the next that was asked for. */
  readonly apart: number;
  /** How many times as long as the last action took to wait at least until the next that was asked for; 0 when left out. */
  readonly rest?: number;
  /** From one action to the next when nobody asks. */
  readonly period?: number;
}

/** Does something when asked, soon but not too often, and once a period in any case. */
export class Debounce {
  readonly #clock: Clock;
  readonly #times: DebounceTimes;
  readonly #act: () => void;
  #last = Number.NEGATIVE_INFINITY;
  #rest = 0;
  #due = Number.POSITIVE_INFINITY;
  #cancel: CancelTimer | undefined;
  #stopped = false;

  constructor(clock: Clock, times: DebounceTimes, act: () => void) {
    this.#clock = clock;
    this.#times = times;
    this.#act = act;
    this.#arm();
  }

  /** Asks for the action. */
  request(): void {
    const { soon, apart } = this.#times;
    const now = this.#clock.now();
    this.#schedule(Math.max(now + soon, this.#last + Math.max(apart, this.#rest)));
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel?.();
  }

  #arm(): void {
    this.#due = Number.POSITIVE_INFINITY;
    const { period } = this.#times;
    if (period !== undefined) this.#schedule(this.#clock.now() + period);
  }

  #schedule(due: number): void {
    if (this.#stopped || due >= this.#due) return;
    this.#cancel?.();
    this.#due = due;
    this.#cancel = this.#clock.schedule(Math.max(0, due - this.#clock.now()), () => {
      this.#last = this.#clock.now();
      this.#arm();
      this.#act();
      this.#rest = (this.#times.rest ?? 0) * (this.#clock.now() - this.#last);
    });
  }
}
