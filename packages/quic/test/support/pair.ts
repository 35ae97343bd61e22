import {
  type ConnectOptions,
  type ListenOptions,
  type QuicConnection,
  QuicEndpoint,
  type QuicEndpointOptions,
  type QuicIdentity,
} from '../../src/index.js';

export const PROTOCOLS = ['netceptor'];

/** Two endpoints that hand each other their datagrams, after the current job as a network would. */
export interface Pair {
  client: QuicEndpoint;
  server: QuicEndpoint;
  close(): void;
}

export type Filter = (datagram: Buffer, to: 'client' | 'server') => Buffer | undefined;

export function pair(
  filter: Filter = (datagram) => datagram,
  options: Partial<QuicEndpointOptions> & { server?: Partial<QuicEndpointOptions> } = {},
): Pair {
  const deliver = (to: 'client' | 'server', from: string) => (datagrams: Buffer[]) => {
    setImmediate(() => {
      for (const datagram of datagrams) {
        const passed = filter(datagram, to);
        if (passed) ends[to].receive(passed, from);
      }
    });
  };
  const { server, ...both } = options;
  const ends = {
    client: new QuicEndpoint({ send: deliver('server', 'client'), ...both }),
    server: new QuicEndpoint({ send: deliver('client', 'server'), ...both, ...server }),
  };
  return {
    ...ends,
    close: () => {
      ends.client.close();
      ends.server.close();
    },
  };
}

/** Listens with an identity, and connects; gives both sides. */
export async function connected(
  { client, server }: Pair,
  identity: QuicIdentity,
  options: { connect?: Partial<ConnectOptions>; listen?: Partial<ListenOptions> } = {},
): Promise<{ dialled: QuicConnection; accepted: QuicConnection }> {
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
  // Both are looked at, so that none rejects unseen.
  const [outcome] = await Promise.all([Promise.allSettled([dialled, accepted])]);
  const failed = outcome.find((result) => result.status === 'rejected');
  if (failed) throw failed.reason;
  return { dialled: await dialled, accepted: await accepted };
}
