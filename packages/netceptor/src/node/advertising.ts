import type { Clock } from '../clock.js';
import { Debounce } from '../debounce.js';
import { MeshError } from '../errors.js';
import type { Link } from '../link/link.js';
import type { Logger } from '../logger.js';
import {
  type AdvertisementOutcome,
  Advertisements,
  type HeardAdvertisement,
} from '../routing/advertisements.js';
import {
  type Advertisement,
  ConnectionType,
  decodeAdvertisement,
  encodeAdvertisement,
  type WorkCommand,
} from '../wire/advertisement.js';
import type { Neighbours } from './neighbours.js';
import type { ListenOptions } from './options.js';

/** Every service is told of this often (reference: mesh, 4.6). */
const PERIOD = 60_000;
/** A new one after this long. */
const SOON = 50;
const APART = 1000;
/** What was not repeated for this many periods is forgotten. */
const FORGET_AFTER = 5.5 * PERIOD;
const MAX_ADVERTISEMENTS = 50_000;
const MAX_BYTES = 64 * 1024 * 1024;

/** A service of this node, as it is told of. */
export interface OwnAdvertisement {
  /** One of {@link ConnectionType}. */
  readonly connectionType: number;
  readonly tags: ReadonlyMap<string, string>;
  /** The types of work it offers, asked for each time; control services have them. */
  readonly workCommands?: () => readonly WorkCommand[];
}

/** What is told of a service for streams; nothing when it has no tags. */
export function streamAdvertisement({
  tls,
  tags,
  workCommands,
}: ListenOptions): OwnAdvertisement | undefined {
  if (!tags) return undefined;
  return {
    connectionType: tls ? ConnectionType.streamTls : ConnectionType.stream,
    tags: new Map(Object.entries(tags)),
    ...(workCommands ? { workCommands } : {}),
  };
}

/** What advertising needs of the rest of the node. */
export interface AdvertisingContext {
  readonly nodeId: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly neighbours: Neighbours;
  isReachable(node: string): boolean;
  /** Whether a cancel that is sent could go round for ever between nodes that pass on every one. */
  hasCircle(): boolean;
  onChange(outcome: Exclude<AdvertisementOutcome, 'ignored' | 'repeated'>, ad: Advertisement): void;
}

/** Tells of the services of this node, and passes on what others tell. */
export class Advertising {
  readonly #context: AdvertisingContext;
  readonly #heard = new Advertisements({
    count: MAX_ADVERTISEMENTS,
    bytes: MAX_BYTES,
    forgetAfter: FORGET_AFTER,
  });
  readonly #own = new Map<string, OwnAdvertisement>();
  #sent = new Map<string, HeardAdvertisement>();
  readonly #round: Debounce;
  #lastTime = 0n;

  constructor(context: AdvertisingContext) {
    this.#context = context;
    this.#round = new Debounce(context.clock, { soon: SOON, apart: APART, period: PERIOD }, () =>
      this.#send(),
    );
  }

  stop(): void {
    this.#round.stop();
  }

  add(service: string, advertisement: OwnAdvertisement): void {
    this.#own.set(service, advertisement);
    this.#round.request();
  }

  /** Something that is told of a service has changed. */
  changed(): void {
    this.#round.request();
  }

  /**
   * Stops telling of a service. That it is gone is only told where the word has an end: Go nodes send a cancel round a
   * circle of links for ever. Elsewhere it is forgotten when it was not repeated for long.
   */
  remove(service: string): void {
    const advertisement = this.#own.get(service);
    if (!this.#own.delete(service)) return;
    const sent = this.#sent.delete(service);
    if (!advertisement || !sent || this.#context.hasCircle()) return;
    const { connectionType } = advertisement;
    const cancel = { connectionType, tags: null, workCommands: null, cancel: true };
    this.#context.neighbours.flood(
      encodeAdvertisement({ nodeId: this.#context.nodeId, service, time: this.#time(), ...cancel }),
    );
  }

  /** Tells a new neighbour of all services in reach, which otherwise it would hear of within a minute. */
  linkUp(link: Link): void {
    for (const { advertisement, message } of this.#heard.all())
      if (this.#context.isReachable(advertisement.nodeId)) link.sendControl(message);
    for (const { message } of this.#sent.values()) link.sendControl(message);
  }

  receive(link: Link, message: Buffer): void {
    const { log, nodeId, neighbours, clock } = this.#context;
    let advertisement: Advertisement;
    try {
      advertisement = decodeAdvertisement(message);
    } catch (error) {
      if (!(error instanceof MeshError)) throw error;
      link.complain('error', `Error handling service advertisement: ${error.message}`);
      return;
    }
    log.debug(`Received service advertisement from ${advertisement.nodeId}`);
    if (advertisement.nodeId === nodeId) {
      this.#outdo(advertisement.time);
      return;
    }
    // A message is a view of what came in together with it; what is kept must not hold on to all that.
    const outcome = this.#heard.receive({ advertisement, message: Buffer.from(message) }, clock.now());
    if (outcome === 'ignored') return;
    neighbours.flood(message, link);
    if (outcome !== 'repeated') this.#context.onChange(outcome, advertisement);
  }

  /** All services that are known, this node's first. */
  all(): Advertisement[] {
    const own = [...this.#own].map(
      ([service, advertisement]) =>
        this.#sent.get(service)?.advertisement ?? this.#build(service, advertisement),
    );
    return [...own, ...[...this.#heard.all()].map(({ advertisement }) => advertisement)];
  }

  find(nodeId: string, service: string): Advertisement | undefined {
    if (nodeId !== this.#context.nodeId) return this.#heard.find(nodeId, service);
    return this.all().find((ad) => ad.nodeId === nodeId && ad.service === service);
  }

  #build(service: string, { connectionType, tags, workCommands }: OwnAdvertisement): Advertisement {
    return {
      nodeId: this.#context.nodeId,
      service,
      time: this.#time(),
      connectionType,
      tags,
      workCommands: workCommands?.() ?? null,
      cancel: false,
    };
  }

  #send(): void {
    this.#forget();
    const sent = new Map<string, HeardAdvertisement>();
    for (const [service, own] of this.#own) {
      const advertisement = this.#build(service, own);
      sent.set(service, { advertisement, message: encodeAdvertisement(advertisement) });
    }
    this.#sent = sent;
    for (const { message } of sent.values()) this.#context.neighbours.flood(message);
  }

  #forget(): void {
    for (const advertisement of this.#heard.forget(this.#context.clock.now()))
      this.#context.onChange('cancelled', advertisement);
  }

  /** Nanoseconds since 1970, later each time. */
  #time(): bigint {
    const now = BigInt(Math.round(this.#context.clock.now() * 1000)) * 1000n;
    this.#lastTime = now > this.#lastTime ? now : this.#lastTime + 1n;
    return this.#lastTime;
  }

  /** The mesh knows a later word of this node than its clock can say, from before a restart; it has to be outdone. */
  #outdo(time: bigint): void {
    if (time <= this.#lastTime || time >= 1n << 63n) return;
    this.#lastTime = time;
    this.#round.request();
  }
}
