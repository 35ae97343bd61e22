import { connect, isIP, type NetConnectOpts, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';

/** How long a connection may take to come about, with its handshake, in milliseconds. */
const PATIENCE = 15_000;

/** Connects over TCP, or over TLS to a host that has to be the one that its certificate names. */
export function connectTcp(
  { host, port }: { readonly host: string; readonly port: number },
  tls: ConnectionOptions | undefined,
  signal: AbortSignal,
): Promise<Socket> {
  const where = { host, port, allowHalfOpen: true };
  if (!tls) return connected(connect({ ...where, noDelay: true, keepAlive: true }), 'connect', signal);
  const socket = connectTls({ ...where, ...(isIP(host) ? {} : { servername: host }), ...tls });
  socket.setNoDelay(true);
  return connected(socket, 'secureConnect', signal);
}

/** Connects to a Unix socket. */
export function connectUnix(path: string, signal: AbortSignal): Promise<Socket> {
  const options: NetConnectOpts = { path, allowHalfOpen: true };
  return connected(connect(options), 'connect', signal);
}

function connected(socket: Socket, event: 'connect' | 'secureConnect', signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
      socket.off('error', fail);
    };
    const fail = (error: Error): void => {
      done();
      socket.on('error', () => {});
      socket.destroy();
      reject(error);
    };
    const abort = (): void => fail(new Error('connection given up'));
    const timer = setTimeout(() => fail(new Error('i/o timeout')), PATIENCE);
    socket.once('error', fail);
    socket.once(event, () => {
      done();
      resolve(socket);
    });
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort);
  });
}
