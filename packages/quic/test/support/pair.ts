import {
  type ConnectOptions,
  type ListenOptions,
  type QuicConnection,
  QuicEndpoint,
  type QuicEndpointOptions,
  type QuicError,
  type QuicIdentity,
  type QuicStream,
} from '../../src/index.js';

export const PROTOCOLS = ['netceptor'];

type End = 'client' | 'server';

/** Two endpoints that know each other by these names. */
export interface Pair {
  client: QuicEndpoint;
  server: QuicEndpoint;
  close(): void;
}

/** What carries a datagram; calls `receive` of the other end when and if it likes. */
export type Carrier = (datagram: Buffer, to: End, from: End) => void;

/** Two endpoints; without a carrier, each gets the other's datagrams in the next turn. */
export function pair(carry?: Carrier, options: Partial<QuicEndpointOptions> = {}): Pair {
  const deliver = (to: End, from: End) => (datagrams: Buffer[]) => {
    if (carry) for (const datagram of datagrams) carry(datagram, to, from);
    else setImmediate(() => datagrams.forEach((datagram) => void ends[to].receive(datagram, from)));
  };
  const ends = {
    client: new QuicEndpoint({ send: deliver('server', 'client'), ...options }),
    server: new QuicEndpoint({ send: deliver('client', 'server'), ...options }),
    close: () => {
      ends.client.close();
      ends.server.close();
    },
  };
  return ends;
}

export interface Connected {
  dialled: QuicConnection;
  accepted: QuicConnection;
}

export interface Options {
  connect?: Partial<ConnectOptions>;
  listen?: Partial<ListenOptions>;
}

/** Connects; tells what became of it on either side. */
export async function attempt({ client, server }: Pair, identity: QuicIdentity, options: Options = {}) {
  const accepted = new Promise<QuicConnection>((resolve, reject) => {
    server.listen({
      protocols: PROTOCOLS,
      identity,
      onConnection: resolve,
      onFailure: reject,
      ...options.listen,
    });
  });
  const dialled = client.connect('server', {
    protocols: PROTOCOLS,
    verifyPeer: () => {},
    ...options.connect,
  });
  return { dialled, accepted };
}

/** Connects; gives both sides. */
export async function connected(
  both: Pair,
  identity: QuicIdentity,
  options: Options = {},
): Promise<Connected> {
  const { dialled, accepted } = await attempt(both, identity, options);
  accepted.catch(() => {});
  return { dialled: await dialled, accepted: await accepted };
}

/** The error with which a promise rejects. */
export async function failure(promise: Promise<unknown>): Promise<QuicError> {
  try {
    await promise;
  } catch (error) {
    return error as QuicError;
  }
  throw new Error('it did not fail');
}

/** A stream, from its opener and from its acceptor. The first byte is taken away. */
export async function stream({ dialled, accepted }: Connected): Promise<[QuicStream, QuicStream]> {
  const opened = await dialled.openStream();
  opened.write('\0');
  const incoming = await accepted.acceptStream();
  for (let first: unknown = null; first === null; first = incoming.read(1)) {
    if (incoming.readableLength === 0) await new Promise((resolve) => incoming.once('readable', resolve));
  }
  return [opened, incoming];
}
