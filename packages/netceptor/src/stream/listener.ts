import type { Duplex } from 'node:stream';
import type { QuicConnection, QuicEndpoint, QuicStream } from '@receptor/quic';
import type { Clock } from '../clock.js';
import { messageOf } from '../errors.js';
import type { Logger } from '../logger.js';
import type { PacketConnection } from '../packet/packet-connection.js';
import { type Identity, insecureIdentity } from '../tls/insecure.js';
import type { TlsServerProfile } from '../tls/profile.js';
import { throwRefusal } from './dial.js';
import type { KnownPaths } from './known-paths.js';
import { closeAfter, closeWhenUnreachable, type Lingering } from './lifetime.js';
import { CloseCode, decodeRemote, openTransport, PROTOCOLS } from './transport.js';

/** How long a caller may take to open its stream (reference: mesh, 5.2). */
const ACCEPT_TIMEOUT = 60_000;

/** Who has opened a stream. */
export interface StreamCaller {
  readonly node: string;
  readonly service: string;
}

/** Serves a stream that another node, or this one, has opened. */
export type ServeStream = (stream: Duplex, caller: StreamCaller) => void;

/** The settings of a {@link StreamListener}. */
export interface ListenerContext {
  readonly packets: PacketConnection;
  readonly serve: ServeStream;
  readonly tls: TlsServerProfile | undefined;
  readonly clock: Clock;
  readonly log: Logger;
  readonly lingering: Lingering;
  readonly paths: KnownPaths;
}

/** A service that streams can be opened to (reference: mesh, 5.2). */
export class StreamListener {
  readonly #context: ListenerContext;
  readonly #endpoint: QuicEndpoint;
  readonly #connections = new Map<string, Set<QuicConnection>>();
  #closing = false;

  /** Made by {@link Netceptor.listen}. */
  constructor(context: ListenerContext) {
    this.#context = context;
    const { packets, tls, clock, log, paths } = context;
    this.#endpoint = openTransport(packets, clock, paths, (error) =>
      log.debug(`Error sending: ${error.message}`),
    );
    this.#listen(tls?.identity ?? insecureIdentity(clock.now()));
    const offRenewed = tls?.onRenewed(() => this.#listen(tls.identity));
    closeWhenUnreachable(packets, this.#connections, clock);
    packets.once('close', () => {
      offRenewed?.();
      this.#endpoint.close(CloseCode.failed, 'Listener Closed');
    });
  }

  #listen(identity: Identity): void {
    const { tls, clock, log } = this.#context;
    const asks = tls?.asksForCertificate === true;
    this.#endpoint.listen({
      protocols: PROTOCOLS,
      identity,
      clientCertificates: asks ? 'require' : 'ignore',
      ...(tls && asks
        ? {
            verifyPeer: (chain, remote) =>
              throwRefusal(tls.refuseCaller(chain, decodeRemote(remote).node, clock.now())),
          }
        : {}),
      onConnection: (connection) => void this.#accept(connection),
      onFailure: (error, remote) =>
        log.warning(`Error accepting a stream from ${decodeRemote(remote).node}: ${error.message}`),
    });
  }

  /** The name of the service. */
  get service(): string {
    return this.#context.packets.service;
  }

  /** Accepts no more streams; those that there are go on, and the name is free when the last of them has ended. */
  close(): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#releaseWhenIdle();
  }

  /** Ends all streams at once, too. */
  destroy(): void {
    this.#closing = true;
    this.#context.packets.close();
  }

  async #accept(connection: QuicConnection): Promise<void> {
    if (this.#closing) {
      connection.close(CloseCode.failed, 'Listener Closed');
      return;
    }
    this.#remember(connection);
    const { clock, log, lingering, paths, serve } = this.#context;
    const timeout = new AbortController();
    const cancel = clock.schedule(ACCEPT_TIMEOUT, () => timeout.abort());
    try {
      const stream = await connection.acceptStream({ signal: timeout.signal });
      const hello = await firstByte(stream, timeout.signal);
      if (hello !== 0) {
        connection.close(CloseCode.failed, 'Read Data Error');
        return;
      }
      // A caller that gives up must not end a program whose service forgot to listen for it.
      stream.on('error', (error) =>
        log.debug(`Stream of ${decodeRemote(connection.remote).node}: ${error.message}`),
      );
      closeAfter(stream, connection, { clock, lingering, paths, dialled: false });
      serve(stream, decodeRemote(connection.remote));
    } catch (error) {
      if (connection.error) return;
      log.warning(
        `Error accepting a stream from ${decodeRemote(connection.remote).node}: ${messageOf(error)}`,
      );
      connection.close(
        CloseCode.failed,
        timeout.signal.aborted ? 'Accept Timeout' : `AcceptStream Error: ${messageOf(error)}`,
      );
    } finally {
      cancel();
    }
  }

  #remember(connection: QuicConnection): void {
    const { remote } = connection;
    const peers = this.#connections.get(remote) ?? new Set();
    this.#connections.set(remote, peers.add(connection));
    connection.once('close', () => {
      peers.delete(connection);
      if (peers.size === 0) this.#connections.delete(remote);
      if (this.#closing) this.#releaseWhenIdle();
    });
  }

  #releaseWhenIdle(): void {
    if (this.#connections.size === 0) this.#context.packets.close();
  }
}

/** Takes the first byte out of a stream; undefined when it ends without one. */
function firstByte(stream: QuicStream, signal: AbortSignal): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const finish = (act: () => void): void => {
      stream.off('readable', look);
      stream.off('end', ended);
      stream.off('error', failed);
      signal.removeEventListener('abort', aborted);
      act();
    };
    const look = (): void => {
      const byte = stream.read(1) as Buffer | null;
      if (byte) finish(() => resolve(byte[0]));
    };
    const ended = () => finish(() => resolve(undefined));
    const failed = (error: Error) => finish(() => reject(error));
    const aborted = () => finish(() => reject(new Error('Accept Timeout')));
    stream.on('readable', look);
    stream.once('end', ended);
    stream.once('error', failed);
    signal.addEventListener('abort', aborted, { once: true });
  });
}
