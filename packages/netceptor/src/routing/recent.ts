/**
 * Remembers what was seen, for a while and up to a number, whichever ends first: two generations, of which the older is
 * dropped when the younger is full or old. Nothing a peer sends can make it grow beyond that.
 */
export class Recent {
  readonly #limit: number;
  readonly #lifetime: number;
  #young = new Set<string>();
  #old = new Set<string>();
  #turned = 0;

  /** @param limit entries of a generation @param lifetime milliseconds an entry is remembered at least, and twice that at most while more is added */
  constructor(limit: number, lifetime: number) {
    this.#limit = limit;
    this.#lifetime = lifetime;
  }

  has(entry: string): boolean {
    return this.#young.has(entry) || this.#old.has(entry);
  }

  /** Adds it, unless it is there already, which it returns; asking again does not make it stay for longer. */
  add(entry: string, now: number): boolean {
    if (this.#young.size >= this.#limit || now - this.#turned > this.#lifetime) {
      this.#old = this.#young;
      this.#young = new Set();
      this.#turned = now;
    }
    if (this.has(entry)) return true;
    this.#young.add(entry);
    return false;
  }
}
