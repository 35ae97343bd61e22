import type { Duplex } from 'node:stream';
import type { TlsClientProfile, TlsServerProfile } from '@receptor/netceptor';
import { configError } from '../config/item.js';
import type { Listener } from '../listeners/listener.js';
import { breakOff, bridge } from './bridge.js';
import { type Service, type ServiceContext, textOf } from './service.js';

/** Where in the mesh a proxy leads to. */
export interface MeshTarget {
  readonly node: string;
  readonly service: string;
  readonly tls: TlsClientProfile | undefined;
}

/**
 * Leads connections from outside to a service of the mesh. All of them dial at once; one that cannot be led on is broken off.
 * @param listen makes the listener that is given what to do with a connection
 */
export async function proxyToMesh(
  listen: (accept: (connection: Duplex) => void) => Promise<Listener>,
  { node, service, tls }: MeshTarget,
  { netceptor, log }: ServiceContext,
): Promise<Service> {
  const closing = new AbortController();
  const lead = async (connection: Duplex): Promise<void> => {
    const gone = new AbortController();
    connection.on('error', () => {});
    connection.once('close', () => gone.abort());
    const signal = AbortSignal.any([closing.signal, gone.signal]);
    try {
      const stream = await netceptor.dial(node, service, { ...(tls && { tls }), signal });
      await bridge(connection, stream, closing.signal);
    } catch (error) {
      if (!signal.aborted) log.error(`Error connecting on Receptor network: ${textOf(error)}`);
      breakOff(connection);
    }
  };
  const listener = await listen((connection) => void lead(connection));
  return {
    close() {
      closing.abort();
      return listener.close();
    },
  };
}

/** A service of the mesh that leads outside. */
export interface MeshEntrance {
  readonly service: string;
  readonly tls: TlsServerProfile | undefined;
  /** What the mesh is told about it. */
  readonly tags: Readonly<Record<string, string>>;
}

/**
 * Leads streams of the mesh outside; one that cannot be led on is broken off, so that its caller does not wait.
 * @param connect makes the connection outside
 * @param network what the log calls the outside
 * @throws ReceptorError `RECEPTOR_CONFIG_INVALID` when the name of the service is taken
 */
export function proxyFromMesh(
  connect: (signal: AbortSignal) => Promise<Duplex>,
  network: string,
  { service, tls, tags }: MeshEntrance,
  { netceptor, log }: ServiceContext,
): Service {
  const closing = new AbortController();
  const lead = async (stream: Duplex): Promise<void> => {
    const gone = new AbortController();
    stream.on('error', () => {});
    stream.once('close', () => gone.abort());
    const signal = AbortSignal.any([closing.signal, gone.signal]);
    try {
      await bridge(await connect(signal), stream, closing.signal);
    } catch (error) {
      if (!signal.aborted) log.error(`Error connecting via ${network}: ${textOf(error)}`);
      breakOff(stream);
    }
  };
  try {
    const listener = netceptor.listen(service, (stream) => void lead(stream), { ...(tls && { tls }), tags });
    return {
      async close() {
        closing.abort();
        listener.close();
      },
    };
  } catch (error) {
    throw listenProblem(error);
  }
}

/** That a service cannot be offered, in the words of the Go daemon. */
export function listenProblem(error: unknown): Error {
  return configError(`error listening on Receptor network: ${textOf(error)}`, error);
}
