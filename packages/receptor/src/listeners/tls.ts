import type { Socket } from 'node:net';
import { createServer, type Server } from 'node:tls';
import type { TlsListenerOptions } from '@receptor/netceptor';
import type { Logger } from '@receptor/workceptor';

/** How long a handshake may take, in milliseconds. */
const HANDSHAKE_MS = 10_000;
/** Connections at once: those that have yet to show who they are are counted nowhere else. */
const MAX_CONNECTIONS = 4_000;

/** A server that speaks TLS. */
export interface TlsServer {
  /** To be told to listen, and to close. */
  readonly server: Server;
  /** Cuts all connections: whoever is in the middle of a handshake belongs to nobody else who would. */
  cut(): void;
}

/**
 * @param options whom to let in
 * @param accept is given each connection after its handshake; it stays open when the peer closes one side
 * @param log hears of those who are not let in
 */
export function createTlsServer(
  options: TlsListenerOptions,
  accept: (socket: Socket) => void,
  log: Pick<Logger, 'error'>,
): TlsServer {
  const { refusePeer, onRenewed, ...settings } = options;
  const refused = (reason: string) => log.error(`TLS handshake error: ${reason}. Closing socket.`);
  const server = createServer(
    { ...settings, allowHalfOpen: true, noDelay: true, handshakeTimeout: HANDSHAKE_MS },
    (socket) => {
      const reason = refusePeer?.(socket.getPeerCertificate().raw);
      if (reason === undefined) {
        accept(socket);
        return;
      }
      refused(reason);
      socket.on('error', () => {});
      socket.destroy();
    },
  );
  const offRenewed = onRenewed?.((context) => server.setSecureContext(context));
  server.once('close', () => offRenewed?.());
  server.maxConnections = MAX_CONNECTIONS;
  // The message is a line of OpenSSL's log; its reason is what a person can read.
  server.on('tlsClientError', (error: Error & { reason?: string }) => refused(error.reason ?? error.message));
  const open = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  });
  return {
    server,
    cut() {
      for (const socket of open) socket.destroy();
    },
  };
}
