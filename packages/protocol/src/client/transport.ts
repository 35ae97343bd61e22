import { existsSync, readFileSync } from 'node:fs';
import { connect, isIP, type Socket } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import type { Address } from '../address.js';
import { ReceptorError } from '../errors.js';
import { connectError } from './connect-error.js';
import { aborted } from './io.js';

/** How to speak TLS with a control service (reference: control, 9). */
export interface TlsOptions {
  /** File of the certificates to trust, in place of the system's. */
  rootcas?: string;
  /** File of the client's certificate. */
  cert?: string;
  /** File of the client's key. */
  key?: string;
  /** Accept a certificate of another host name. Its chain is verified all the same. */
  insecureSkipVerify?: boolean;
}

/** Where systems keep the certificates they trust; without any of them Node's own are used. */
const SYSTEM_ROOTS = [
  process.env.SSL_CERT_FILE ?? '',
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
];

/**
 * Connects to a control service; the greeting is not read yet.
 * @throws ReceptorError `RECEPTOR_CONNECT_FAILED` in receptorctl's words and with the reason, `RECEPTOR_ABORTED`.
 */
export async function openTransport(
  address: Address,
  tls: TlsOptions,
  signal?: AbortSignal,
): Promise<Socket> {
  if (signal?.aborted) throw aborted(signal);
  if (address.kind === 'unix' && !existsSync(address.path))
    throw new ReceptorError('RECEPTOR_CONNECT_FAILED', `Socket path does not exist: ${address.path}`);
  try {
    if (address.kind === 'tls') {
      const socket = await connected(await startTls(address, tls), 'secureConnect', signal);
      // An alert after the handshake is told and then forgotten; destroyed with it, a stream keeps it.
      return socket.on('error', (alert) => void socket.destroy(alert));
    }
    const where =
      address.kind === 'unix' ? { path: address.path } : { host: address.host, port: address.port };
    return await connected(connect({ ...where, allowHalfOpen: true }), 'connect', signal);
  } catch (cause) {
    if (signal?.aborted) throw aborted(signal);
    throw connectError(address, cause);
  }
}

async function startTls(address: { host: string; port: number }, options: TlsOptions): Promise<Socket> {
  // Loaded only here: it costs milliseconds that a Unix socket need not pay.
  const tls = await import('node:tls');
  const roots = options.rootcas ?? SYSTEM_ROOTS.find((file) => file !== '' && existsSync(file));
  const { host, port } = address;
  const connection: ConnectionOptions & { allowHalfOpen: boolean } = {
    host,
    port,
    minVersion: 'TLSv1.2',
    allowHalfOpen: true,
    ...(isIP(host) === 0 && { servername: host }),
    ...(roots !== undefined && { ca: readFileSync(roots) }),
    ...(options.key && options.cert && { key: readFileSync(options.key), cert: readFileSync(options.cert) }),
    ...(options.insecureSkipVerify && { checkServerIdentity: () => undefined }),
  };
  return tls.connect(connection);
}

function connected(socket: Socket, event: string, signal?: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const done = (error?: Error): void => {
      socket.off(event, onConnect);
      socket.off('error', done);
      signal?.removeEventListener('abort', onAbort);
      if (error === undefined) {
        resolve(socket);
      } else {
        socket.on('error', () => {});
        socket.destroy();
        reject(error);
      }
    };
    const onConnect = (): void => done();
    const onAbort = (): void => done(new Error('aborted'));
    socket.on(event, onConnect);
    socket.on('error', done);
    signal?.addEventListener('abort', onAbort);
  });
}
