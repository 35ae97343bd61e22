import type { X509Certificate } from 'node:crypto';
import type { Clock } from './clock.js';
import type { Engine } from './engine.js';
import { connectionLost, type QuicError } from './errors.js';
import type { Exports } from './exports.js';
import type { Judge } from './handshake-host.js';

/** What a stream wants to hear. */
export interface StreamHandler {
  readable(): void;
  writable(): void;
  finished(): void;
  stopped(code: number): void;
  lost(error: QuicError): void;
}

/** What a connection's facade wants to hear. */
export interface DriverEvents {
  connected(): void;
  /** The peer opened a stream. */
  opened(): void;
  /** Another stream may be opened. */
  available(): void;
  lost(error: QuicError): void;
}

/** What a driver needs of its endpoint. */
export interface DriverEndpoint {
  readonly clock: Clock;
  /** Whether datagrams can be sent at the moment. */
  readonly blocked: boolean;
  /** Sends the datagrams in a batch, all but the last of one size. */
  emit(batch: Uint8Array, segment: number, destination: string): void;
  /** To be flushed soon. */
  touched(driver: Driver): void;
  /** The connection is gone from the engine. */
  freed(driver: Driver): void;
}

/** Kinds of events; see crate/src/connection.rs. */
const KIND = {
  connected: 1,
  lost: 2,
  readable: 3,
  writable: 4,
  finished: 5,
  stopped: 6,
  opened: 7,
  available: 8,
  drained: 9,
} as const;

/** Datagrams that are taken from the engine in one call, and about how many bytes. */
const BATCH = 40;
const BATCH_BYTES = 256 << 10;

/** Bytes of an event: its kind and two numbers. */
const EVENT = 17;

/** Reads the event of a loss; `refusal` is why this side refused the peer's certificate, if it did. */
export function readLoss(
  event: Buffer,
  handshaking: boolean,
  refusal?: Error,
): { error: QuicError; length: number } {
  const length = EVENT + 4 + event.readUInt32LE(EVENT);
  const reason = event.subarray(EVENT + 4, length).toString();
  const error = connectionLost(event.readDoubleLE(1), event.readDoubleLE(9), reason, handshaking, refusal);
  return { error, length };
}

type Body<T> = (module: Exports, connection: number, engine: Engine) => T;

/** Moves a connection of the engine along: tells its events, sends its datagrams, keeps its timer. */
export class Driver implements Judge {
  readonly streams = new Map<number, StreamHandler>();
  readonly remote: string;
  /** What the peer has shown and was accepted. */
  peerCertificates: readonly X509Certificate[] = [];
  events: DriverEvents | undefined;
  readonly #engine: Engine;
  readonly #id: number;
  readonly #endpoint: DriverEndpoint;
  readonly #verify: ((chain: X509Certificate[]) => void) | undefined;
  #connected = false;
  #refusal: Error | undefined;
  #lost: QuicError | undefined;
  #freed = false;
  /** Bytes of the largest datagrams that were sent so far. */
  #segment = 1200;
  #timer: unknown;
  #timerAt = Number.POSITIVE_INFINITY;

  constructor(
    engine: Engine,
    id: number,
    endpoint: DriverEndpoint,
    remote: string,
    verify: ((chain: X509Certificate[]) => void) | undefined,
  ) {
    this.#engine = engine;
    this.#id = id;
    this.#endpoint = endpoint;
    this.remote = remote;
    this.#verify = verify;
    engine.connections.set(id, this);
  }

  /** Why the connection ended, if it has. */
  get lost(): QuicError | undefined {
    return this.#lost;
  }

  get connected(): boolean {
    return this.#connected;
  }

  verify(chain: X509Certificate[]): void {
    if (!this.#verify) throw new Error('no certificate was expected');
    this.#verify(chain);
    this.peerCertificates = chain;
  }

  refused(error: Error): void {
    this.#refusal = error;
  }

  /** Asks the engine; undefined when the connection is gone from it. */
  call<T>(body: Body<T>): T | undefined {
    if (this.#freed || !this.#engine.alive) return undefined;
    try {
      return this.#engine.call((module) => body(module, this.#id, this.#engine));
    } catch (error) {
      // The endpoint is told of it, and ends the connection.
      if (!this.#engine.alive) return undefined;
      throw error;
    }
  }

  /** As {@link Driver.call}, for what has to be sent afterwards. */
  change<T>(body: Body<T>): T | undefined {
    const result = this.call(body);
    this.touch();
    return result;
  }

  touch(): void {
    if (!this.#freed) this.#endpoint.touched(this);
  }

  /** Tells what has happened, then sends what there is to be sent. */
  flush(force = false): void {
    this.#poll();
    this.#transmit(force);
    this.#arm();
  }

  #transmit(force: boolean): void {
    while (force || !this.#endpoint.blocked) {
      const batch = this.call((module, connection, engine) => {
        const most = Math.min(BATCH, Math.ceil(BATCH_BYTES / this.#segment));
        const length = module.connection_transmit(connection, most, this.#endpoint.clock.now());
        return length > 0 ? { bytes: engine.output(length), segment: module.segment() } : undefined;
      });
      if (!batch) break;
      this.#segment = Math.max(this.#segment, batch.segment);
      this.#endpoint.emit(batch.bytes, batch.segment, this.remote);
    }
  }

  /** Closes at once, and tells the peer. What was received is still delivered. */
  close(error: QuicError, code: number, reason: string): void {
    if (this.#lost) return;
    this.call((module, connection, engine) => {
      engine.input(Buffer.from(reason));
      module.connection_close(connection, code, this.#endpoint.clock.now());
    });
    // Before anybody here is told, who may free the connection then: the peer would wait until it is idle for too long.
    this.#transmit(true);
    this.end(error);
    this.flush(true);
  }

  /** Ends the connection for its users. */
  end(error: QuicError): void {
    if (this.#lost) return;
    this.#lost = error;
    for (const stream of [...this.streams.values()]) stream.lost(error);
    this.events?.lost(error);
  }

  /** Frees the connection in the engine. */
  free(): void {
    if (this.#freed) return;
    this.call((module, connection) => module.connection_free(connection));
    this.#freed = true;
    this.#engine.connections.delete(this.#id);
    this.#disarm();
    this.#endpoint.freed(this);
  }

  #poll(): void {
    const bytes = this.call((module, connection, engine) => {
      const length = module.connection_poll(connection);
      return length > 0 ? Buffer.from(engine.output(length)) : undefined;
    });
    if (!bytes) return;
    for (let at = 0; at < bytes.length; at += EVENT) {
      const kind = bytes.readUInt8(at);
      const first = bytes.readDoubleLE(at + 1);
      const second = bytes.readDoubleLE(at + 9);
      if (kind === KIND.lost) {
        const { error, length } = readLoss(bytes.subarray(at), !this.#connected, this.#refusal);
        this.end(error);
        at += length - EVENT;
      } else {
        this.#dispatch(kind, first, second);
      }
    }
  }

  #dispatch(kind: number, stream: number, code: number): void {
    switch (kind) {
      case KIND.connected:
        this.#connected = true;
        this.events?.connected();
        break;
      case KIND.readable:
        this.streams.get(stream)?.readable();
        break;
      case KIND.writable:
        this.streams.get(stream)?.writable();
        break;
      case KIND.finished:
        this.streams.get(stream)?.finished();
        break;
      case KIND.stopped:
        this.streams.get(stream)?.stopped(code);
        break;
      case KIND.opened:
        this.events?.opened();
        break;
      case KIND.available:
        this.events?.available();
        break;
      case KIND.drained:
        this.free();
    }
  }

  /** A timer that is early enough stays; it looks again when it fires. */
  #arm(): void {
    const at = this.call((module, connection) => module.connection_timeout(connection)) ?? -1;
    if (at < 0) {
      this.#disarm();
      return;
    }
    if (this.#timer !== undefined && at >= this.#timerAt) return;
    this.#disarm();
    this.#timerAt = at;
    const { clock } = this.#endpoint;
    // In whole milliseconds, as those of the process are: the engine's time, which is rounded here, is really past then.
    this.#timer = clock.setTimeout(() => this.#expire(), Math.max(1, Math.ceil(at - clock.now())));
  }

  #disarm(): void {
    if (this.#timer !== undefined) this.#endpoint.clock.clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #expire(): void {
    this.#timer = undefined;
    const now = this.#endpoint.clock.now();
    this.call((module, connection) => {
      const at = module.connection_timeout(connection);
      if (at >= 0 && at <= now) module.connection_expire(connection, now);
    });
    this.flush();
  }
}
