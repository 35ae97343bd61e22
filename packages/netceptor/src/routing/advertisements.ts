import type { Advertisement } from '../wire/advertisement.js';

/** An advertisement as it came, to be passed on byte for byte, because it may say more than this node understands. */
export interface HeardAdvertisement {
  readonly advertisement: Advertisement;
  readonly message: Buffer;
}

/** What to remember at most. */
export interface AdvertisementLimits {
  /** Advertisements, and as many cancels. */
  readonly count: number;
  /** Milliseconds after which an advertisement that was not repeated is forgotten. */
  readonly forgetAfter: number;
}

interface Entry extends HeardAdvertisement {
  readonly heard: number;
}

/** What happened to an advertisement that came in. */
export type AdvertisementOutcome = 'new' | 'changed' | 'repeated' | 'cancelled' | 'ignored';

/**
 * The services other nodes have told of (reference: mesh, 4.6). A cancel is remembered, and only passed on when it changes
 * something: nodes that pass on every cancel send it round a circle for ever.
 */
export class Advertisements {
  readonly #limits: AdvertisementLimits;
  readonly #entries = new Map<string, Entry>();
  readonly #cancels = new Map<string, { readonly time: bigint; readonly heard: number }>();

  constructor(limits: AdvertisementLimits) {
    this.#limits = limits;
  }

  /** Takes an advertisement; all but an ignored one have to be passed on. */
  receive(heard: HeardAdvertisement, now: number): AdvertisementOutcome {
    const { advertisement } = heard;
    const key = keyOf(advertisement);
    const entry = this.#entries.get(key);
    const latest = entry?.advertisement.time ?? this.#cancels.get(key)?.time;
    if (latest !== undefined && advertisement.time <= latest) return 'ignored';
    if (advertisement.cancel) {
      this.#cancels.delete(key);
      if (this.#cancels.size >= this.#limits.count) this.#dropOldest(this.#cancels);
      this.#cancels.set(key, { time: advertisement.time, heard: now });
      return this.#entries.delete(key) ? 'cancelled' : 'ignored';
    }
    if (!entry && this.#entries.size >= this.#limits.count) return 'ignored';
    this.#cancels.delete(key);
    this.#entries.set(key, { ...heard, heard: now });
    if (!entry) return 'new';
    return saysTheSame(entry.advertisement, advertisement) ? 'repeated' : 'changed';
  }

  /** Forgets what was not repeated for long, and returns it. */
  forget(now: number): Advertisement[] {
    const forgotten: Advertisement[] = [];
    for (const [key, { advertisement, heard }] of this.#entries) {
      if (now - heard <= this.#limits.forgetAfter) continue;
      this.#entries.delete(key);
      forgotten.push(advertisement);
    }
    for (const [key, { heard }] of this.#cancels)
      if (now - heard > this.#limits.forgetAfter) this.#cancels.delete(key);
    return forgotten;
  }

  all(): IterableIterator<HeardAdvertisement> {
    return this.#entries.values();
  }

  find(nodeId: string, service: string): Advertisement | undefined {
    return this.#entries.get(keyOf({ nodeId, service }))?.advertisement;
  }

  #dropOldest(map: Map<string, unknown>): void {
    for (const key of map.keys()) {
      map.delete(key);
      return;
    }
  }
}

function keyOf({ nodeId, service }: Pick<Advertisement, 'nodeId' | 'service'>): string {
  return JSON.stringify([nodeId, service]);
}

function saysTheSame(a: Advertisement, b: Advertisement): boolean {
  const told = ({ connectionType, tags, workCommands }: Advertisement) =>
    JSON.stringify([connectionType, tags && [...tags].sort(), workCommands]);
  return told(a) === told(b);
}
