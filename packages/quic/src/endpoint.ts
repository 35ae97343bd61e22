import { type Clock, systemClock } from './clock.js';
import type { QuicConnection } from './connection.js';
import { cutIntoDatagrams } from './datagrams.js';
import { Driver, type DriverEndpoint, readLoss } from './driver.js';
import {
  type ConnectOptions,
  type ListenOptions,
  type QuicEndpointOptions,
  type VerifyPeer,
  whole,
} from './endpoint-options.js';
import { type Engine, type EngineUser, engine } from './engine.js';
import { aborted, QuicError } from './errors.js';
import { completeHandshake } from './handshake.js';
import { Peers } from './peers.js';
import { SettingsWriter, type Transport, transportOf } from './settings.js';

/** Results of `endpoint_receive`; see crate/src/endpoint.rs. */
const NEW = 1 << 28;
const RESPONSE = 1 << 29;
const FAILED = 1 << 27;

const CONNECTION_ID_LENGTH = 8;

interface Listening {
  options: ListenOptions;
  transport: Transport;
  key: number;
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
  readonly #peers = new Peers();
  readonly #user: EngineUser = { engineFailed: (error) => this.#engineFailed(error) };
  readonly #driverEndpoint: DriverEndpoint;
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
    const peer = this.#peers.at(source);
    const accept = this.#listening && this.#drivers.size < this.#maxConnections && engine.roomy;
    const known = peer.users === 0 ? this.#known(source) : 0;
    const { result, response, failure } = engine.call((module) => {
      engine.input(datagram);
      const now = this.#clock.now();
      const result = module.endpoint_receive(this.#id, peer.number, accept ? 1 : 0, known, now);
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
    this.#peers.tidy(source);
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
    const peer = this.#peers.at(destination);
    let driver: Driver;
    try {
      const settings = new SettingsWriter()
        .transport(transport, this.#datagramSize)
        .protocols(options.protocols)
        .identity(key, options.identity)
        .text(options.serverName ?? '')
        .finish();
      const known = this.#known(destination);
      const result = engine.call((module) => {
        engine.input(settings);
        const id = module.endpoint_connect(this.#id, peer.number, known, this.#clock.now());
        return id < 0 ? engine.refusal() : id;
      });
      if (result instanceof QuicError) throw result;
      driver = this.#add(engine, result, destination, options.verifyPeer);
    } catch (error) {
      engine.removeKey(key);
      this.#peers.tidy(destination);
      throw error;
    }
    try {
      return await completeHandshake(driver, this.#clock, transport.handshakeTimeout, signal);
    } finally {
      engine.removeKey(key);
    }
  }

  /** Accepts connections from now on, or with other options than before. Throws QUIC_INVALID for unusable ones. */
  listen(options: ListenOptions): void {
    if ((options.clientCertificates ?? 'ignore') !== 'ignore' && !options.verifyPeer) {
      throw new QuicError('QUIC_INVALID', 'certificates of clients cannot be asked for without verifyPeer');
    }
    if (this.#closed) throw new QuicError('QUIC_CLOSED', 'the endpoint is closed');
    const listening = { options, transport: transportOf(options, 0), key: 0 };
    // Throws if they are unusable. The engine is loaded when the first datagram comes.
    this.#settingsOf(listening);
    const before = this.#listening;
    this.#listening = listening;
    const engine = this.#engine;
    if (!engine?.alive) return;
    try {
      this.#listen(engine, listening);
    } catch (error) {
      this.#listening = before;
      throw error;
    }
    if (before) engine.removeKey(before.key);
  }

  /** Accepts no more connections; those that there are go on. */
  stopListening(): void {
    const listening = this.#listening;
    if (!listening || this.#closed) return;
    this.#listening = undefined;
    const engine = this.#engine;
    if (!engine?.alive) return;
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

  #known(peer: string): number {
    return Math.min(this.#options.knownDatagramSize?.(peer) ?? 0, this.#datagramSize);
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
    if (this.#listening) this.#listen(fresh, this.#listening);
    return fresh;
  }

  #listen(engine: Engine, listening: Listening): void {
    listening.key = engine.addKey(listening.options.identity.key);
    const settings = this.#settingsOf(listening);
    const refusal = engine.call((module) => {
      engine.input(settings);
      return module.endpoint_listen(this.#id) < 0 ? engine.refusal() : undefined;
    });
    if (!refusal) return;
    engine.removeKey(listening.key);
    throw refusal;
  }

  #settingsOf({ options, transport, key }: Listening): Uint8Array {
    const ask = { ignore: 0, request: 1, require: 2 }[options.clientCertificates ?? 'ignore'];
    return new SettingsWriter()
      .transport(transport, this.#datagramSize)
      .protocols(options.protocols)
      .identity(key, options.identity)
      .word(ask)
      .finish();
  }

  #accept(engine: Engine, id: number, source: string): void {
    const listening = this.#listening;
    if (!listening) return;
    const { options, transport } = listening;
    const driver = this.#add(engine, id, source, options.verifyPeer);
    completeHandshake(driver, this.#clock, transport.handshakeTimeout).then(
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
    this.#peers.at(remote).users++;
    this.#touch(driver);
    return driver;
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
    const datagrams = cutIntoDatagrams(batch, segment, this.#headroom);
    if (this.#options.send(datagrams, destination) === false) this.#blocked = true;
  }

  #freed(driver: Driver): void {
    const id = this.#numbers.get(driver);
    if (id === undefined) return;
    this.#numbers.delete(driver);
    this.#drivers.delete(id);
    this.#dirty.delete(driver);
    this.#peers.leave(driver.remote);
  }

  #engineFailed(error: QuicError): void {
    for (const driver of [...this.#drivers.values()]) {
      driver.end(error);
      driver.free();
    }
  }
}
