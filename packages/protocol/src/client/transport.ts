import { existsSync, readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { ConnectionOptions } from 'node:tls';
import { type ControlAddress, parseAddress } from '../address.js';
import { ReceptorError } from '../errors.js';
import { aborted } from './lines.js';

/** TLS settings of a client; the files are PEM (reference: control, 9). */
export interface TlsSettings {
  /** Certificates of authorities to trust instead of the system's. */
  rootcas?: string | undefined;
  cert?: string | undefined;
  key?: string | undefined;
  /** Leaves the host's name unchecked. The chain of the server's certificate is verified all the same. */
  insecureskipverify?: boolean | undefined;
}

/** Opens a connection to a control service; a program may bring its own, such as a stream of the mesh. */
export type Transport = (signal?: AbortSignal) => Promise<Duplex>;

/**
 * A transport to an address (see {@link parseAddress}).
 * @throws ReceptorError `RECEPTOR_ADDRESS_INVALID` at once; `RECEPTOR_CONNECT_FAILED` from the transport when the
 * service cannot be reached, in the words of the Python client.
 */
export function transportTo(address: string, tls: TlsSettings = {}): Transport {
  const to = parseAddress(address);
  return async (signal) => {
    if (signal?.aborted) throw aborted(signal);
    if (to.kind === 'unix' && !existsSync(to.path)) {
      throw new ReceptorError('RECEPTOR_CONNECT_FAILED', `Socket path does not exist: ${to.path}`);
    }
    const { socket, ready } = to.kind === 'tls' ? await openTls(to, tls) : openPlain(to);
    return new Promise((resolve, reject) => {
      const settle = (outcome: () => void) => {
        socket.off(ready, onReady);
        socket.off('error', onError);
        signal?.removeEventListener('abort', onAbort);
        outcome();
      };
      const onReady = () => settle(() => resolve(socket));
      const onError = (cause: Error) => settle(() => reject(unreachable(to, cause)));
      const onAbort = () => {
        settle(() => reject(aborted(signal)));
        // The error of a connection that nobody waits for any more.
        socket.on('error', () => {});
        socket.destroy();
      };
      socket.on(ready, onReady);
      socket.on('error', onError);
      signal?.addEventListener('abort', onAbort);
    });
  };
}

function openPlain(to: ControlAddress): { socket: Socket; ready: string } {
  const where = to.kind === 'unix' ? { path: to.path } : { host: to.host, port: to.port };
  return { socket: connect({ ...where, allowHalfOpen: true }), ready: 'connect' };
}

async function openTls(to: ControlAddress & { kind: 'tcp' | 'tls' }, settings: TlsSettings) {
  const tls = await import('node:tls');
  const { isIP } = await import('node:net');
  const { rootcas, cert, key, insecureskipverify } = settings;
  try {
    // Node reads allowHalfOpen, its types do not name it.
    const options: ConnectionOptions & { allowHalfOpen: true } = {
      host: to.host,
      port: to.port,
      allowHalfOpen: true,
      minVersion: 'TLSv1.2',
      // A server name of TLS is never an address.
      ...(isIP(to.host) ? {} : { servername: to.host }),
      ...(rootcas && { ca: readFileSync(rootcas) }),
      ...(cert && key && { cert: readFileSync(cert), key: readFileSync(key) }),
      ...(insecureskipverify && { checkServerIdentity: () => undefined }),
    };
    const socket = tls.connect(options);
    return { socket: socket as Socket, ready: 'secureConnect' };
  } catch (cause) {
    throw unreachable(to, cause);
  }
}

function unreachable(to: ControlAddress, cause: unknown): ReceptorError {
  const message =
    to.kind === 'unix'
      ? `Could not connect to socket ${to.path}: ${cause instanceof Error ? cause.message : cause}`
      : `Could not connect to host ${to.host} port ${to.port}`;
  return new ReceptorError('RECEPTOR_CONNECT_FAILED', message, { cause });
}
