import type { X509Certificate } from 'node:crypto';
import { EventEmitter } from 'node:events';
import type { Driver } from './driver.js';
import { aborted, QuicError } from './errors.js';
import { parseList } from './lists.js';
import { QuicStream } from './stream.js';

/** Events of a {@link QuicConnection}. */
export interface QuicConnectionEvents {
  /** The connection has ended, once: QUIC_CLOSED by this side, QUIC_CLOSED_BY_PEER, or what went wrong. */
  close: [error: QuicError];
}

/** Figures of a connection at the moment. */
export interface QuicStatistics {
  /** Smoothed round trip in milliseconds. */
  rtt: number;
  /** Bytes that may be under way. */
  congestionWindow: number;
  /** Bytes of the largest datagram that the path is known to carry. */
  datagramSize: number;
  /** Packets that were lost, and sent, so far. */
  packetsLost: number;
  packetsSent: number;
  /** Datagrams that were received so far. */
  datagramsReceived: number;
}

/** Options of {@link QuicConnection.openStream} and {@link QuicConnection.acceptStream}. */
export interface StreamOptions {
  /** Ends the wait. */
  signal?: AbortSignal;
  /** What the peer is told when the stream is destroyed; see {@link QuicStream.abortCode}. Default 0. */
  abortCode?: number;
}

interface Waiter {
  abortCode: number;
  resolve(stream: QuicStream): void;
  reject(error: QuicError): void;
}

/** A connection whose handshake is complete. */
export class QuicConnection extends EventEmitter<QuicConnectionEvents> {
  /** The peer's address, as the endpoint was given it. */
  readonly remote: string;
  /** The protocol that was agreed upon (ALPN). */
  readonly protocol: string;
  /** The server name that the client sent (SNI), if it sent one. On the client's side undefined. */
  readonly serverName: string | undefined;
  /** The peer's certificate, then what it sent with it; empty if it has none. */
  readonly peerCertificates: readonly X509Certificate[];
  /** Resolves when the connection has ended, with the error that tells how. Never rejects. */
  readonly closed: Promise<QuicError>;
  readonly #driver: Driver;
  readonly #accepting: Waiter[] = [];
  readonly #opening: Waiter[] = [];

  /** Connections are made by a {@link QuicEndpoint}. */
  constructor(driver: Driver) {
    super();
    this.#driver = driver;
    this.remote = driver.remote;
    const [protocol, serverName] =
      driver.call((module, connection, engine) => {
        const length = module.connection_handshake(connection);
        return length > 0 ? parseList(Buffer.from(engine.output(length))) : undefined;
      }) ?? [];
    this.protocol = protocol?.toString() ?? '';
    this.serverName = serverName?.length ? serverName.toString() : undefined;
    this.peerCertificates = driver.peerCertificates;
    this.closed = new Promise((resolve) => {
      driver.events = {
        connected: () => {},
        opened: () => this.#serve(this.#accepting, 'stream_accept'),
        available: () => this.#serve(this.#opening, 'stream_open'),
        lost: (error) => {
          for (const waiter of [...this.#accepting.splice(0), ...this.#opening.splice(0)])
            waiter.reject(error);
          resolve(error);
          this.emit('close', error);
        },
      };
    });
  }

  /** How the connection ended; undefined while it lives. */
  get error(): QuicError | undefined {
    return this.#driver.lost;
  }

  /**
   * Opens a stream, as soon as the peer allows one more. The peer learns of it from the first byte.
   * Rejects with QUIC_ABORTED, or with what ended the connection.
   */
  openStream(options: StreamOptions = {}): Promise<QuicStream> {
    return this.#stream(this.#opening, 'stream_open', options);
  }

  /** The next stream that the peer opens. Rejects with QUIC_ABORTED, or with what ended the connection. */
  acceptStream(options: StreamOptions = {}): Promise<QuicStream> {
    return this.#stream(this.#accepting, 'stream_accept', options);
  }

  /**
   * Closes the connection at once and tells the peer. What was written and not yet acknowledged may be lost: wait for
   * 'finish' of the streams before. Does nothing on a connection that has ended.
   *
   * @param code for the peer's application, 0 to 2^53 - 1
   * @param reason for the peer; cut to what fits into a packet
   */
  close(code = 0, reason = ''): void {
    if (!Number.isSafeInteger(code) || code < 0) {
      throw new QuicError('QUIC_INVALID', `a close code is a whole number of 0 to 2^53 - 1, not ${code}`);
    }
    const text = `the connection was closed with code ${code}${reason === '' ? '' : `: ${reason}`}`;
    this.#driver.close(new QuicError('QUIC_CLOSED', text, { applicationCode: code, reason }), code, reason);
  }

  /** Figures of the connection; undefined when it is gone. */
  statistics(): QuicStatistics | undefined {
    const figures = this.#driver.call((module, connection, engine) => {
      const length = module.connection_statistics(connection);
      return length > 0 ? Buffer.from(engine.output(length)) : undefined;
    });
    if (!figures) return undefined;
    const figure = (index: number) => figures.readDoubleLE(8 * index);
    return {
      rtt: figure(0),
      congestionWindow: figure(1),
      datagramSize: figure(2),
      packetsLost: figure(3),
      packetsSent: figure(4),
      datagramsReceived: figure(5),
    };
  }

  #stream(
    queue: Waiter[],
    how: 'stream_open' | 'stream_accept',
    options: StreamOptions,
  ): Promise<QuicStream> {
    const { signal, abortCode = 0 } = options;
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(aborted(signal));
        return;
      }
      const onAbort = () => {
        queue.splice(queue.indexOf(waiter), 1);
        if (signal) reject(aborted(signal));
      };
      const waiter: Waiter = {
        abortCode,
        resolve: (stream) => {
          signal?.removeEventListener('abort', onAbort);
          resolve(stream);
        },
        reject: (error) => {
          signal?.removeEventListener('abort', onAbort);
          reject(error);
        },
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      queue.push(waiter);
      this.#serve(queue, how);
    });
  }

  #serve(queue: Waiter[], how: 'stream_open' | 'stream_accept'): void {
    for (let waiter = queue[0]; waiter; waiter = queue[0]) {
      const id =
        this.#driver.lost && how === 'stream_open'
          ? -1
          : this.#driver.call((module, connection) => module[how](connection));
      if (id === undefined || id < 0) {
        if (this.#driver.lost) waiter.reject(this.#driver.lost);
        else return;
        queue.shift();
        continue;
      }
      queue.shift();
      const stream = new QuicStream(this.#driver, id, waiter.abortCode);
      this.#driver.touch();
      waiter.resolve(stream);
    }
  }
}
