import type { X509Certificate } from 'node:crypto';
import { type Clock, systemClock } from './clock.js';
import { QuicConnection } from './connection.js';
import { Driver, type DriverEndpoint, readLoss } from './driver.js';
import { type Engine, type EngineUser, engine } from './engine.js';
import { aborted, QuicError } from './errors.js';
import {
  type QuicIdentity,
  SettingsWriter,
  type Transport,
  type TransportOptions,
  transportOf,
} from './settings.js';

/**
 * Judges the peer's certificate chain, within the handshake: it throws to refuse it, best a {@link CertificateRefused},
 * whose alert the peer gets. It must not call into the endpoint or its connections.
 *
 * @param chain the peer's certificate, then what it sent with it; never empty
 * @param remote the peer's address
 */
export type VerifyPeer = (chain: X509Certificate[], remote: string) => void;

/** Options of a {@link QuicEndpoint}. */
export interface QuicEndpointOptions {
  /**
   * Takes datagrams to be sent to one destination. Each begins with `headroom` bytes for a header of the caller's; they
   * are the caller's to keep. Returning false stops the endpoint until {@link QuicEndpoint.resume}: it is how a
   * congested link holds it back.
   */
  send(datagrams: Buffer[], destination: string): unknown;
  /** Bytes left free at the start of each datagram. Default 0. */
  headroom?: number;
  /** The largest datagram that is sent and received, without the headroom: 1200 to 65527. Default 16348. */
  maxDatagramSize?: number;
  /** Connections at once, beyond which new ones are refused. Default 10,000. */
  maxConnections?: number;
  /** Where time comes from. Default the process's. */
  clock?: Clock;
}

/** Options of {@link QuicEndpoint.connect}. */
export interface ConnectOptions extends TransportOptions {
  /** The protocols to offer (ALPN). */
  protocols: readonly string[];
  /** Judges the server's certificate. */
  verifyPeer: VerifyPeer;
  /** Shown when the server asks for a certificate. */
  identity?: QuicIdentity;
  /** The server name to send (SNI); what is no valid one is replaced by `name.invalid`. Default none. */
  serverName?: string;
  /** Ends the attempt; has no effect on a connection that is established. */
  signal?: AbortSignal;
}

/** Options of {@link QuicEndpoint.listen}. */
export interface ListenOptions extends TransportOptions {
  /** The protocols that are accepted (ALPN). */
  protocols: readonly string[];
  /** The certificate to show. */
  identity: QuicIdentity;
  /** Whether clients are asked for a certificate, and whether they must have one. Default 'ignore'. */
  clientCertificates?: 'ignore' | 'request' | 'require';
  /** Judges the certificates of clients; needed unless they are ignored. */
  verifyPeer?: VerifyPeer;
  /** Gets each connection when its handshake is complete. */
  onConnection(connection: QuicConnection): void;
  /** Told of each handshake that failed. */
  onFailure?(error: QuicError, remote: string): void;
}

interface Listening {
  options: ListenOptions;
  transport: Transport;
  key: number;
}

interface Peer {
  number: number;
  users: number;
}

/**
 * QUIC without a socket: datagrams come in by {@link QuicEndpoint.receive} and go out by {@link QuicEndpointOptions.send};
 * addresses are strings that mean nothing to it. It can connect and listen at once, and as often as wanted.
 */
export class QuicEndpoint {
  readonly #options: QuicEndpointOptions;
  readonly #headroom: number;
  readonly #datagramSize: number;
  readonly #maxConnections: number;
  readonly #clock: Clock;
  readonly #drivers = new Map<number, Driver>();
  readonly #numbers = new Map<Driver, number>();
  readonly #dirty = new Set<Driver>();
  readonly #peers = new Map<string, Peer>();
  readonly #user: EngineUser = { engineFailed: (error) => this.#engineFailed(error) };
  readonly #driverEndpoint: DriverEndpoint;
  #nextPeer = 1;
  #engine: Engine | undefined;
  #id = 0;
  #listening: Listening | undefined;
  #blocked = false;
  #scheduled = false;
  #closed = false;

  /** Throws QUIC_INVALID for options out of range. */
  constructor(options: QuicEndpointOptions) {
    this.#options = options;
    this.#headroom = whole('headroom', options.headroom ?? 0, 0, 65_535);
    this.#datagramSize = whole('maxDatagramSize', options.maxDatagramSize ?? 16_348, 1200, 65_527);
    this.#maxConnections = whole('maxConnections', options.maxConnections ?? 10_000, 1, 1_000_000);
    this.#clock = options.clock ?? systemClock;
    const isBlocked = () => this.#blocked;
    this.#driverEndpoint = {
      clock: this.#clock,
      get blocked() {
        return isBlocked();
      },
      emit: (batch, segment, destination) => this.#emit(batch, segment, destination),
      touched: (driver) => this.#touch(driver),
      freed: (driver) => this.#freed(driver),
    };
  }

  /** Connections that are held, those included that are closing. */
  get connections(): number {
    return this.#drivers.size;
  }

  /**
   * Takes in a datagram. What it brings about is told and answered after the current job, for all that were received
   * in it. Never throws because of what the datagram says.
   */
  receive(datagram: Uint8Array, source: string): void {
    if (this.#closed || datagram.length === 0 || datagram.length > 65_535) return;
    try {
      this.#receive(datagram, source);
    } catch (error) {
      // A failed engine is told to its users.
      if (this.#engine?.alive) throw error;
    }
  }

  #receive(datagram: Uint8Array, source: string): void {
    const engine = this.#attach();
    const peer = this.#peer(source);
    const accept = this.#listening && this.#drivers.size < this.#maxConnections && engine.roomy;
    const { result, response, failure } = engine.call((module) => {
      engine.input(datagram);
      const result = module.endpoint_receive(this.#id, peer.number, accept ? 1 : 0, this.#clock.now());
      const flag = (bit: number) => result >= 0 && (result & bit) !== 0;
      const response = flag(RESPONSE) ? Buffer.from(engine.output(module.output_length())) : undefined;
      const failure = flag(FAILED) ? Buffer.from(engine.output(module.endpoint_failure())) : undefined;
      return { result, response, failure };
    });
    if (response) this.#emit(response, response.length, source);
    if (failure) this.#listening?.options.onFailure?.(readLoss(failure, true).error, source);
    if (result >= 0 && !response && !failure) {
      if (result & NEW) this.#accept(engine, result & ~NEW, source);
      else {
        const driver = this.#drivers.get(result);
        if (driver) this.#touch(driver);
      }
    }
    if (peer.users === 0) this.#peers.delete(source);
  }

  /**
   * Connects to a peer; resolves when the handshake is complete on this side. A server that refuses this side's
   * certificate ends the connection after that, with QUIC_TLS.
   *
   * Rejects with QUIC_INVALID for unusable options, QUIC_TLS, QUIC_HANDSHAKE_TIMEOUT, QUIC_ABORTED, QUIC_LIMIT, or
   * whatever else ended the attempt.
   */
  async connect(destination: string, options: ConnectOptions): Promise<QuicConnection> {
    const { signal } = options;
    if (signal?.aborted) throw aborted(signal);
    const transport = transportOf(options, 15_000);
    const engine = this.#attach();
    if (this.#drivers.size >= this.#maxConnections || !engine.roomy) {
      throw new QuicError('QUIC_LIMIT', 'there are too many connections');
    }
    const key = options.identity ? engine.addKey(options.identity.key) : 0;
    const peer = this.#peer(destination);
    let driver: Driver;
    try {
      const settings = new SettingsWriter()
        .transport(transport, this.#datagramSize)
        .protocols(options.protocols)
        .identity(key, options.identity)
        .text(options.serverName ?? '')
        .finish();
      const result = engine.call((module) => {
        engine.input(settings);
        const id = module.endpoint_connect(this.#id, peer.number, this.#clock.now());
        return id < 0 ? engine.refusal() : id;
      });
      if (result instanceof QuicError) throw result;
      driver = this.#add(engine, result, destination, options.verifyPeer);
    } catch (error) {
      engine.removeKey(key);
      if (peer.users === 0) this.#peers.delete(destination);
      throw error;
    }
    try {
      return await this.#handshake(driver, transport.handshakeTimeout, signal);
    } finally {
      engine.removeKey(key);
    }
  }

  /** Accepts connections from now on, or with other options than before. Throws QUIC_INVALID for unusable ones. */
  listen(options: ListenOptions): void {
    if ((options.clientCertificates ?? 'ignore') !== 'ignore' && !options.verifyPeer) {
      throw new QuicError('QUIC_INVALID', 'certificates of clients cannot be asked for without verifyPeer');
    }
    const before = this.#listening;
    const engine = this.#attach();
    const listening = {
      options,
      transport: transportOf(options, 0),
      key: engine.addKey(options.identity.key),
    };
    try {
      this.#listen(engine, listening);
    } catch (error) {
      engine.removeKey(listening.key);
      throw error;
    }
    this.#listening = listening;
    if (before) engine.removeKey(before.key);
  }

  /** Accepts no more connections; those that there are go on. */
  stopListening(): void {
    const listening = this.#listening;
    if (!listening || this.#closed) return;
    this.#listening = undefined;
    const engine = this.#attach();
    engine.removeKey(listening.key);
    engine.call((module) => {
      engine.input();
      module.endpoint_listen(this.#id);
    });
  }

  /** Goes on after {@link QuicEndpointOptions.send} returned false. */
  resume(): void {
    this.#blocked = false;
    this.#schedule();
  }

  /** Closes all connections at once, tells their peers, and frees everything. Does nothing the second time. */
  close(code = 0, reason = ''): void {
    if (this.#closed) return;
    const error = new QuicError('QUIC_CLOSED', 'the endpoint was closed', { applicationCode: code, reason });
    for (const driver of [...this.#drivers.values()]) {
      driver.close(error, code, reason);
      driver.free();
    }
    this.#closed = true;
    const engine = this.#engine;
    if (!engine?.alive) return;
    engine.users.delete(this.#user);
    if (this.#listening) engine.removeKey(this.#listening.key);
    engine.call((module) => module.endpoint_free(this.#id));
  }

  /** The engine, with this endpoint in it. */
  #attach(): Engine {
    if (this.#closed) throw new QuicError('QUIC_CLOSED', 'the endpoint is closed');
    if (this.#engine?.alive) return this.#engine;
    const fresh = engine();
    const settings = new SettingsWriter().word(this.#datagramSize).word(CONNECTION_ID_LENGTH).finish();
    this.#id = fresh.call((module) => {
      fresh.input(settings);
      return module.endpoint_new();
    });
    this.#engine = fresh;
    fresh.users.add(this.#user);
    if (this.#listening) {
      this.#listening.key = fresh.addKey(this.#listening.options.identity.key);
      this.#listen(fresh, this.#listening);
    }
    return fresh;
  }

  #listen(engine: Engine, { options, transport, key }: Listening): void {
    const ask = { ignore: 0, request: 1, require: 2 }[options.clientCertificates ?? 'ignore'];
    const settings = new SettingsWriter()
      .transport(transport, this.#datagramSize)
      .protocols(options.protocols)
      .identity(key, options.identity)
      .word(ask)
      .finish();
    const refusal = engine.call((module) => {
      engine.input(settings);
      return module.endpoint_listen(this.#id) < 0 ? engine.refusal() : undefined;
    });
    if (refusal) throw refusal;
  }

  #accept(engine: Engine, id: number, source: string): void {
    const listening = this.#listening;
    if (!listening) return;
    const { options, transport } = listening;
    const driver = this.#add(engine, id, source, options.verifyPeer);
    this.#handshake(driver, transport.handshakeTimeout).then(
      (connection) => options.onConnection(connection),
      (error: QuicError) => options.onFailure?.(error, source),
    );
  }

  #add(engine: Engine, id: number, remote: string, verify: VerifyPeer | undefined): Driver {
    const driver = new Driver(
      engine,
      id,
      this.#driverEndpoint,
      remote,
      verify && ((chain) => verify(chain, remote)),
    );
    this.#drivers.set(id, driver);
    this.#numbers.set(driver, id);
    this.#peer(remote).users++;
    this.#touch(driver);
    return driver;
  }

  #handshake(driver: Driver, timeout: number, signal?: AbortSignal): Promise<QuicConnection> {
    return new Promise((resolve, reject) => {
      const timer = this.#clock.setTimeout(() => {
        const text = 'timeout: handshake did not complete in time';
        driver.close(new QuicError('QUIC_HANDSHAKE_TIMEOUT', text), 0, '');
      }, timeout);
      const onAbort = () => {
        if (signal) driver.close(aborted(signal), 0, '');
      };
      const done = () => {
        this.#clock.clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
      };
      driver.events = {
        connected: () => {
          done();
          resolve(new QuicConnection(driver));
        },
        opened: () => {},
        available: () => {},
        lost: (error) => {
          done();
          reject(error);
        },
      };
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  /** The number under which the engine knows an address. */
  #peer(address: string): Peer {
    let peer = this.#peers.get(address);
    if (!peer) {
      peer = { number: this.#nextPeer, users: 0 };
      this.#nextPeer = (this.#nextPeer % 0xffff_ffff) + 1;
      this.#peers.set(address, peer);
    }
    return peer;
  }

  #touch(driver: Driver): void {
    this.#dirty.add(driver);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled || this.#blocked || this.#dirty.size === 0) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      for (const driver of [...this.#dirty]) {
        if (this.#blocked) break;
        this.#dirty.delete(driver);
        driver.flush();
        if (this.#blocked) this.#dirty.add(driver);
      }
      this.#schedule();
    });
  }

  #emit(batch: Uint8Array, segment: number, destination: string): void {
    const head = this.#headroom;
    const count = Math.ceil(batch.length / segment);
    const buffer = Buffer.allocUnsafe(batch.length + count * head);
    const datagrams: Buffer[] = [];
    let at = 0;
    for (let from = 0; from < batch.length; from += segment) {
      const part = batch.subarray(from, from + segment);
      buffer.set(part, at + head);
      datagrams.push(buffer.subarray(at, at + head + part.length));
      at += head + part.length;
    }
    if (this.#options.send(datagrams, destination) === false) this.#blocked = true;
  }

  #freed(driver: Driver): void {
    const id = this.#numbers.get(driver);
    if (id === undefined) return;
    this.#numbers.delete(driver);
    this.#drivers.delete(id);
    this.#dirty.delete(driver);
    const peer = this.#peers.get(driver.remote);
    if (peer && --peer.users === 0) this.#peers.delete(driver.remote);
  }

  #engineFailed(error: QuicError): void {
    for (const driver of [...this.#drivers.values()]) {
      driver.end(error);
      driver.free();
    }
  }
}

/** Results of `endpoint_receive`; see crate/src/endpoint.rs. */
const NEW = 1 << 28;
const RESPONSE = 1 << 29;
const FAILED = 1 << 27;

const CONNECTION_ID_LENGTH = 8;

function whole(name: string, value: number, least: number, most: number): number {
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw new QuicError('QUIC_INVALID', `${name} must be a whole number of ${least} to ${most}, not ${value}`);
}
