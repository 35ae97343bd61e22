/** Things by key that are kept while they are used: those that rest for long are let go, and the longest resting when full. */
export class Expiring<T> {
  readonly #lifetime: number;
  readonly #limit: number;
  readonly #letGo: (value: T) => void;
  /** The longest resting first. */
  readonly #entries = new Map<string, { readonly value: T; used: number }>();
  #timer: NodeJS.Timeout | undefined;

  /** @param lifetime milliseconds that an entry is kept after its last use, or half of that more */
  constructor(lifetime: number, limit: number, letGo: (value: T) => void) {
    this.#lifetime = lifetime;
    this.#limit = limit;
    this.#letGo = letGo;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** What there is for a key; made when it is missing. Asking for it is using it. */
  use(key: string, make: () => T): T {
    let entry = this.#entries.get(key);
    if (!entry) {
      if (this.#entries.size >= this.#limit) this.#dropOldest();
      entry = { value: make(), used: 0 };
    }
    entry.used = performance.now();
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    this.#timer ??= setInterval(() => this.#expire(), this.#lifetime / 2);
    return entry.value;
  }

  /** Lets go of a key, if it still stands for that value. */
  delete(key: string, value: T): void {
    if (this.#entries.get(key)?.value === value) this.#drop(key);
  }

  clear(): void {
    for (const key of [...this.#entries.keys()]) this.#drop(key);
  }

  #expire(): void {
    const now = performance.now();
    for (const [key, { used }] of this.#entries) {
      if (now - used < this.#lifetime) return;
      this.#drop(key);
    }
  }

  #dropOldest(): void {
    for (const key of this.#entries.keys()) {
      this.#drop(key);
      return;
    }
  }

  #drop(key: string): void {
    const entry = this.#entries.get(key);
    if (!entry) return;
    this.#entries.delete(key);
    if (this.#entries.size === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
    }
    this.#letGo(entry.value);
  }
}
