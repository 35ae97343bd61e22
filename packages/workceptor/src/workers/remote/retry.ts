import type { RemoteAccess } from './access.js';

const FIRST_MS = 100;
const GROWTH = 1.5;
const LONGEST_MS = 60_000;

/** The time between tries to reach a node: longer each time, and cut short when the node comes into reach. */
export class Retry {
  readonly #access: RemoteAccess;
  readonly #node: string;
  #delay = FIRST_MS;

  constructor(access: RemoteAccess, node: string) {
    this.#access = access;
    this.#node = node;
  }

  /** The node was reached. */
  reset(): void {
    this.#delay = FIRST_MS;
  }

  /** Does one try; where the node comes into reach meanwhile, the next one need not wait long. */
  async during<T>(attempt: () => Promise<T>): Promise<T> {
    const stopListening = this.#access.onAppeared(this.#node, () => this.reset());
    try {
      return await attempt();
    } finally {
      stopListening();
    }
  }

  /** Waits until it is time for the next try, or the signal says stop. */
  async wait(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    // Units that lost the same node do not all come back in the same moment.
    const delay = this.#delay * (0.8 + Math.random() * 0.4);
    this.#delay = Math.min(this.#delay * GROWTH, LONGEST_MS);
    await new Promise<void>((resolve) => {
      const done = () => {
        clearTimeout(timer);
        stopListening();
        signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, delay);
      const stopListening = this.#access.onAppeared(this.#node, () => {
        this.reset();
        done();
      });
      signal.addEventListener('abort', done, { once: true });
    });
  }
}
