import type { Clock } from '../clock.js';
import type { Link } from '../link/link.js';
import type { Occupancy } from '../link/state.js';
import { encodeData } from '../wire/data.js';
import { nameHash } from '../wire/name-hash.js';

/** How long a peer that seems to have come back may take to show that its old link still lives. */
const PROOF_OF_LIFE = 1500;

/** What may wait for all neighbours together, in bytes; beyond that, those who read least are given up. */
const MAX_BACKLOG = 512 * 1024 * 1024;

interface Neighbour {
  readonly link: Link;
  readonly cost: number;
  /** When the peer was asked for a sign of life over this link, because somebody says to be it on another one. */
  asked: number | undefined;
}

/** The links of a node that are up, one a peer. */
export class Neighbours {
  readonly #nodeId: string;
  readonly #clock: Clock;
  readonly #neighbours = new Map<string, Neighbour>();

  constructor(nodeId: string, clock: Clock) {
    this.#nodeId = nodeId;
    this.#clock = clock;
  }

  get size(): number {
    return this.#neighbours.size;
  }

  link(peer: string): Link | undefined {
    return this.#neighbours.get(peer)?.link;
  }

  /** Every peer with its link and its cost. */
  *all(): Generator<{ readonly peer: string; readonly link: Link; readonly cost: number }> {
    for (const [peer, { link, cost }] of this.#neighbours) yield { peer, link, cost };
  }

  add(peer: string, link: Link, cost: number): void {
    this.#neighbours.set(peer, { link, cost, asked: undefined });
  }

  /** Takes a link out that has ended; whether it was one of these. */
  remove(link: Link): boolean {
    if (link.peer === undefined || this.link(link.peer) !== link) return false;
    return this.#neighbours.delete(link.peer);
  }

  /** Gives up the links on which nothing was heard for too long. */
  checkIdle(): void {
    for (const { link } of [...this.#neighbours.values()]) link.checkIdle();
  }

  /** Sends a message to all neighbours but one. */
  flood(message: Buffer, except?: Link): void {
    let waiting = 0;
    for (const { link } of [...this.#neighbours.values()]) {
      if (link !== except) link.sendControl(message);
      waiting += link.backlog;
    }
    if (waiting > MAX_BACKLOG) this.#giveUpSlowest(waiting);
  }

  #giveUpSlowest(waiting: number): void {
    const links = [...this.#neighbours.values()].map(({ link }) => ({ link, backlog: link.backlog }));
    links.sort((a, b) => b.backlog - a.backlog);
    for (const { link, backlog } of links) {
      if (waiting <= MAX_BACKLOG) return;
      waiting -= backlog;
      link.giveUp();
    }
  }

  /**
   * Whether a peer is connected already. A Go node refuses the newcomer as long as the old link has not timed out, up to 26
   * seconds. Here the peer is asked over the old link to show that it lives; if it does not, the old link is given up.
   */
  occupancy(peer: string): Occupancy {
    const known = this.#neighbours.get(peer);
    if (!known) return 'free';
    const now = this.#clock.now();
    if (known.asked === undefined || now - known.asked > 10 * PROOF_OF_LIFE) {
      known.asked = now;
      known.link.sendData(this.#pingFor(peer));
      return 'unclear';
    }
    if (known.link.lastReceived > known.asked) return 'taken';
    if (now - known.asked < PROOF_OF_LIFE) return 'unclear';
    known.link.replace();
    return 'free';
  }

  /** A ping whose answer nobody waits for: that anything comes back over the link is all there is to know. */
  #pingFor(peer: string): Buffer {
    return encodeData({
      hops: 0,
      fromNode: nameHash(this.#nodeId),
      toNode: nameHash(peer),
      fromService: 'unreach',
      toService: 'ping',
      payload: Buffer.alloc(0),
    });
  }
}
