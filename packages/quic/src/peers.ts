/** A peer's address, as the engine knows it. */
export interface Peer {
  readonly number: number;
  /** Connections with it. */
  users: number;
}

/** The numbers that stand for addresses in the engine. */
export class Peers {
  readonly #peers = new Map<string, Peer>();
  #next = 1;

  /** The peer at an address; one without connections should be {@link Peers.tidy}'d up when done. */
  at(address: string): Peer {
    let peer = this.#peers.get(address);
    if (!peer) {
      peer = { number: this.#next, users: 0 };
      this.#next = (this.#next % 0xffff_ffff) + 1;
      this.#peers.set(address, peer);
    }
    return peer;
  }

  /** Forgets a peer that has no connections. */
  tidy(address: string): void {
    if (this.#peers.get(address)?.users === 0) this.#peers.delete(address);
  }

  /** A connection with a peer is gone. */
  leave(address: string): void {
    const peer = this.#peers.get(address);
    if (peer) peer.users--;
    this.tidy(address);
  }
}
