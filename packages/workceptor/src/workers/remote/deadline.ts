const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** A moment by the system's clock, which may be set meanwhile; its signal is aborted when that has come. */
export class Deadline {
  readonly #at: number;
  readonly #controller = new AbortController();
  #timer: NodeJS.Timeout | undefined;

  /** @param at in milliseconds since 1970; Infinity for never */
  constructor(at: number) {
    this.#at = at;
    this.#look();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Stops the clock. */
  clear(): void {
    clearTimeout(this.#timer);
  }

  #look(): void {
    if (this.#at === Number.POSITIVE_INFINITY) return;
    const left = this.#at - Date.now();
    if (left <= 0) this.#controller.abort(new Error('the time is up'));
    else this.#timer = setTimeout(() => this.#look(), Math.min(left, LONGEST_TIMER_MS));
  }
}
