import { createServer, isIP, type Socket } from 'node:net';
import type { TlsListenerOptions } from '@receptor/netceptor';
import { ReceptorError } from '@receptor/protocol';
import type { Logger } from '@receptor/workceptor';
import { type Listener, surviveAcceptErrors } from './listener.js';
import { systemErrorText } from './system-error.js';

/** A dead host is noticed after this silence, in milliseconds. */
const KEEP_ALIVE_MS = 60_000;

/**
 * Listens on TCP, or on TLS. As with Go, `0.0.0.0`, `::` and no host at all mean every address of both families.
 * @param address `host:port`, an IPv6 host in brackets
 * @param accept is given each connection, which stays open when the peer closes one side
 * @param log hears of connections that could not be accepted
 * @param tls whom to let in, and how; those who are not let in are in the log
 * @throws ReceptorError `RECEPTOR_CONFIG_INVALID` in the words of the Go daemon (`listen tcp …`)
 */
export async function listenOnTcp(
  address: string,
  accept: (socket: Socket) => void,
  log: Pick<Logger, 'error'>,
  tls?: TlsListenerOptions,
): Promise<Listener> {
  const { host, port } = splitAddress(address);
  const connected = (socket: Socket) => {
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    accept(socket);
  };
  const secure = tls && (await import('./tls.js')).createTlsServer(tls, connected, log);
  const server = secure?.server ?? createServer({ allowHalfOpen: true, noDelay: true }, connected);
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(listenError(host, address, error));
    });
    server.listen({ port, backlog: 1024, ...(isWildcard(host) ? {} : { host }) }, () => {
      server.removeAllListeners('error');
      surviveAcceptErrors(server, log);
      const bound = server.address();
      resolve({
        address:
          typeof bound === 'object' && bound !== null ? formatAddress(bound.address, bound.port) : address,
        close: () =>
          new Promise((closed) => {
            server.close(() => closed());
            secure?.cut();
          }),
      });
    });
  });
}

/** Why nothing can listen at an address, in the words of the Go daemon. */
export function listenError(
  host: string,
  address: string,
  error: NodeJS.ErrnoException,
  network = 'tcp',
): ReceptorError {
  if (error.syscall !== 'getaddrinfo')
    return failure(`bind: ${systemErrorText(error)}`, ` ${address}`, error, network);
  const reason = error.code === 'ENOTFOUND' ? 'no such host' : systemErrorText(error);
  return failure(`lookup ${host}: ${reason}`, '', error, network);
}

/** The address of a socket's peer as Go prints it. */
export function peerAddress(socket: Socket): string {
  return formatAddress(socket.remoteAddress ?? '', socket.remotePort ?? 0);
}

function formatAddress(address: string, port: number): string {
  // Go shows an IPv4 peer of a socket for both families as what it is.
  const plain = address.startsWith('::ffff:') && isIP(address.slice(7)) === 4 ? address.slice(7) : address;
  return plain.includes(':') ? `[${plain}]:${port}` : `${plain}:${port}`;
}

function isWildcard(host: string): boolean {
  return host === '' || host === '0.0.0.0' || host === '::';
}

function splitAddress(address: string): { host: string; port: number } {
  const colon = address.lastIndexOf(':');
  if (colon < 0) throw failure(`address ${address}: missing port in address`);
  const bracketed = /^\[([^[\]]*)\]$/.exec(address.slice(0, colon));
  const host = bracketed?.[1] ?? address.slice(0, colon);
  if (bracketed === null && host.includes(':'))
    throw failure(`address ${address}: too many colons in address`);
  const text = address.slice(colon + 1);
  if (!/^[+-]?[0-9]*$/.test(text)) throw failure(`lookup tcp/${text}: unknown port`);
  const port = Number(text);
  if (!(port >= 0 && port <= 65535)) throw failure(`address ${text}: invalid port`);
  return { host, port };
}

function failure(text: string, where = '', cause?: unknown, network = 'tcp'): ReceptorError {
  return new ReceptorError('RECEPTOR_CONFIG_INVALID', `listen ${network}${where}: ${text}`, { cause });
}
