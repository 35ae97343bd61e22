import type { RemoteAccess } from './access.js';

/** How long a node that has come back into reach may leave a connection silent. */
const SILENCE_MS = 2_000;

/**
 * Doubt about a connection to a node that was out of reach. It may have started anew meanwhile, and then knows nothing of the
 * connection and does not say so: half a minute would pass until that is noticed. So it has to show soon that it is the same.
 */
export class Doubt {
  readonly #onLost: () => void;
  readonly #stopListening: () => void;
  #timer: NodeJS.Timeout | undefined;

  /** @param onLost told that the node was back, and has let the time go by */
  constructor(access: RemoteAccess, node: string, onLost: () => void) {
    this.#onLost = onLost;
    this.#stopListening = access.onAppeared(node, () => this.#begin());
  }

  /** The node has spoken. */
  dispel(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Something was taken that may only lie closer to the node now: it has as long again to speak. */
  prolong(): void {
    if (this.#timer) this.#begin();
  }

  /** There is nothing to doubt any more. */
  end(): void {
    this.dispel();
    this.#stopListening();
  }

  #begin(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#onLost, SILENCE_MS);
  }
}
