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
  /** Bytes of the advertisements, and as many of the names in cancels. */
  readonly bytes: number;
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
  #bytes = 0;
  #cancelBytes = 0;

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
      this.#rememberCancel(key, advertisement.time, now);
      return this.#deleteEntry(key) ? 'cancelled' : 'ignored';
    }
    const bytes = this.#bytes + heard.message.length - (entry?.message.length ?? 0);
    if ((!entry && this.#entries.size >= this.#limits.count) || bytes > this.#limits.bytes) return 'ignored';
    this.#deleteCancel(key);
    this.#bytes = bytes;
    this.#entries.set(key, { ...heard, heard: now });
    if (!entry) return 'new';
    return saysTheSame(entry.advertisement, advertisement) ? 'repeated' : 'changed';
  }

  /** Forgets what was not repeated for long, and returns it. */
  forget(now: number): Advertisement[] {
    const forgotten: Advertisement[] = [];
    for (const [key, { advertisement, heard }] of this.#entries) {
      if (now - heard <= this.#limits.forgetAfter) continue;
      this.#deleteEntry(key);
      forgotten.push(advertisement);
    }
    for (const [key, { heard }] of this.#cancels)
      if (now - heard > this.#limits.forgetAfter) this.#deleteCancel(key);
    return forgotten;
  }

  all(): IterableIterator<HeardAdvertisement> {
    return this.#entries.values();
  }

  find(nodeId: string, service: string): Advertisement | undefined {
    return this.#entries.get(keyOf({ nodeId, service }))?.advertisement;
  }

  /** The oldest cancels have to go for it, when there are too many. */
  #rememberCancel(key: string, time: bigint, now: number): void {
    this.#deleteCancel(key);
    for (const oldest of this.#cancels.keys()) {
      const { count, bytes } = this.#limits;
      if (this.#cancels.size < count && this.#cancelBytes + key.length <= bytes) break;
      this.#deleteCancel(oldest);
    }
    this.#cancels.set(key, { time, heard: now });
    this.#cancelBytes += key.length;
  }

  #deleteCancel(key: string): void {
    if (this.#cancels.delete(key)) this.#cancelBytes -= key.length;
  }

  #deleteEntry(key: string): boolean {
    this.#bytes -= this.#entries.get(key)?.message.length ?? 0;
    return this.#entries.delete(key);
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
