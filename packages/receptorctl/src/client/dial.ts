import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import { type Address, ReceptorError } from '@receptor/protocol';

/** How a client proves who it is, and whom it trusts, over `tls://`. PEM texts, not names of files. */
export interface ClientTls {
  /** Authorities to trust instead of the system's. */
  ca?: string | Buffer;
  key?: string | Buffer;
  cert?: string | Buffer;
  /** `false` leaves the host's name unchecked; the chain is verified all the same. */
  checkHostname?: boolean;
}

/**
 * Opens a socket to a control service. Its two directions end apart.
 * @throws ReceptorError `RECEPTOR_CONNECT_FAILED` in the words of the Python client, with the cause
 */
export async function dial(address: Address, tls: ClientTls = {}, signal?: AbortSignal): Promise<Socket> {
  if (address.kind === 'unix' && !existsSync(address.path)) {
    throw new ReceptorError('RECEPTOR_CONNECT_FAILED', `Socket path does not exist: ${address.path}`);
  }
  let socket: Socket | undefined;
  try {
    socket = await open(address, tls);
    await once(socket, address.kind === 'tls' ? 'secureConnect' : 'connect', { signal });
    return socket;
  } catch (cause) {
    socket?.destroy();
    signal?.throwIfAborted();
    throw connectError(address, cause);
  }
}

/** The error for an address that cannot be reached. */
export function connectError(address: Address, cause: unknown): ReceptorError {
  const message =
    address.kind === 'unix'
      ? `Could not connect to socket ${address.path}: ${cause instanceof Error ? cause.message : cause}`
      : `Could not connect to host ${address.host} port ${address.port}`;
  return new ReceptorError('RECEPTOR_CONNECT_FAILED', message, { cause });
}

async function open(address: Address, tls: ClientTls): Promise<Socket> {
  if (address.kind === 'unix') return connectTcp({ path: address.path, allowHalfOpen: true });
  const { host, port } = address;
  if (address.kind === 'tcp') return connectTcp({ host, port, allowHalfOpen: true });
  // Loaded only here: it costs milliseconds that a Unix socket need not pay.
  const { connect, checkServerIdentity } = await import('node:tls');
  const { ca, key, cert, checkHostname = true } = tls;
  const options: ConnectionOptions & { allowHalfOpen: boolean } = {
    host,
    port,
    allowHalfOpen: true,
    minVersion: 'TLSv1.2',
    checkServerIdentity: checkHostname ? checkServerIdentity : () => undefined,
    ...(isIP(host) === 0 && { servername: host }),
    ...(ca !== undefined && { ca }),
    ...(key !== undefined && cert !== undefined && { key, cert }),
  };
  return connect(options);
}
