import { connect, createServer, type Socket } from 'node:net';
import {
  type ConnectionOptions,
  connect as connectTls,
  createServer as createTlsServer,
  type TLSSocket,
} from 'node:tls';
import type { TlsListenerOptions } from '../tls/profile.js';
import { formatHostPort, type HostPort, parseHostPort, plainAddress } from './address.js';
import type { BackendContext, DiallingBackend, ListeningBackend, Session } from './backend.js';
import { backendError, onAbort, stopped } from './failure.js';
import {
  DIAL_TIMEOUT,
  HANDSHAKE_TIMEOUT,
  type ListenerOptions,
  MAX_CONNECTIONS,
} from './listener-options.js';
import { StreamSession } from './stream-session.js';

/** The settings of a {@link TcpListener}. */
export type TcpListenerOptions = ListenerOptions;

/** Accepts sessions over TCP or TLS (reference: mesh, 1.1). */
export class TcpListener implements ListeningBackend {
  readonly kind = 'listener';
  readonly #options: TcpListenerOptions;

  constructor(options: TcpListenerOptions) {
    this.#options = options;
  }

  listen(accept: (session: Session) => void, { clock, log, signal }: BackendContext): Promise<string> {
    const { port, host = '0.0.0.0', tls } = this.#options;
    const { maxConnections = MAX_CONNECTIONS, handshakeTimeout = HANDSHAKE_TIMEOUT } = this.#options;
    const sockets = new Set<Socket>();
    const onSocket = (socket: Socket): void => {
      socket.setNoDelay(true);
      const refusal = tls && refusalOf(tls, socket as TLSSocket);
      if (refusal !== undefined) {
        log.warning(`Refused a TLS connection: ${refusal}`);
        socket.destroy();
        return;
      }
      accept(
        new StreamSession(
          socket,
          formatHostPort(plainAddress(socket.remoteAddress ?? ''), socket.remotePort ?? 0),
          clock,
        ),
      );
    };
    const secure = tls && createTlsServer({ ...tls, handshakeTimeout }, onSocket);
    const server = secure ?? createServer(onSocket);
    const offRenewed = tls?.onRenewed?.((context) => secure?.setSecureContext(context));
    onAbort(signal, () => offRenewed?.());
    server.maxConnections = maxConnections;
    server.on('connection', (socket: Socket) => {
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
      socket.on('error', () => {});
    });
    server.on('tlsClientError', (error: Error, socket: TLSSocket) => {
      log.warning(`TLS handshake failed: ${error.message}`);
      // Of a handshake that takes too long, Node only tells.
      socket.destroy();
    });
    return new Promise((resolve, reject) => {
      const failed = (error: Error) => reject(backendError(error));
      server.once('error', failed);
      server.listen({ port, host }, () => {
        server.off('error', failed);
        server.on('error', (error) => log.error(`Error accepting connection: ${error.message}`));
        const { address, port: bound } = server.address() as { address: string; port: number };
        resolve(formatHostPort(address, bound));
      });
      onAbort(signal, () => {
        server.close();
        reject(stopped());
        // The links end their own sessions; what has not become one yet ends here.
        const leftover = setTimeout(() => {
          for (const socket of sockets) socket.destroy();
        }, 2000);
        server.once('close', () => clearTimeout(leftover));
      });
    });
  }
}

/** The settings of a {@link TcpDialler}. */
export interface TcpDiallerOptions {
  /** `host:port`. */
  readonly address: string;
  /** Whether to connect again after a failure or an end; true when left out. */
  readonly redial?: boolean;
  /** How to speak TLS, asked for each time when it can change; plain TCP when left out. */
  readonly tls?: ConnectionOptions | (() => ConnectionOptions);
}

/** Connects over TCP or TLS (reference: mesh, 1.1). */
export class TcpDialler implements DiallingBackend {
  readonly kind = 'dialler';
  readonly address: string;
  readonly redial: boolean;
  readonly #target: HostPort;
  readonly #tls: ConnectionOptions | (() => ConnectionOptions) | undefined;

  /** @throws MeshError `RECEPTOR_MESH_OPTIONS` when the address has no port */
  constructor({ address, redial = true, tls }: TcpDiallerOptions) {
    this.address = address;
    this.redial = redial;
    this.#tls = tls;
    this.#target = parseHostPort(address);
  }

  connect({ clock, signal }: BackendContext): Promise<Session> {
    if (signal.aborted) return Promise.reject(stopped());
    const { host, port } = this.#target;
    const tls = typeof this.#tls === 'function' ? this.#tls() : this.#tls;
    const socket: Socket = tls
      ? connectTls({ host, port, ...(isIp(host) ? {} : { servername: host }), ...tls })
      : connect({ host, port });
    socket.setNoDelay(true);
    return new Promise((resolve, reject) => {
      const fail = (error: Error) => {
        socket.destroy();
        done();
        reject(backendError(error));
      };
      const cancelTimeout = clock.schedule(DIAL_TIMEOUT, () =>
        fail(new Error(`dial tcp ${this.address}: i/o timeout`)),
      );
      const offAbort = onAbort(signal, () => fail(stopped()));
      const done = () => {
        cancelTimeout();
        offAbort();
        socket.off('error', fail);
        socket.off('close', closed);
      };
      const closed = () => fail(new Error(`dial tcp ${this.address}: connection closed`));
      // Stays, so that an error after a failure does not end the process.
      socket.on('error', () => {});
      socket.once('error', fail);
      socket.once('close', closed);
      socket.once(tls ? 'secureConnect' : 'connect', () => {
        done();
        resolve(new StreamSession(socket, this.address, clock));
      });
    });
  }
}

/** Why a caller is not wanted, whose handshake is complete. */
export function refusalOf(tls: TlsListenerOptions, socket: TLSSocket): string | undefined {
  const { raw } = socket.getPeerCertificate() as { raw?: Buffer };
  return tls.refusePeer?.(raw);
}

function isIp(host: string): boolean {
  return host.includes(':') || /^[\d.]+$/.test(host);
}
