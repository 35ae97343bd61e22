import { X509Certificate } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  CertificateRefused,
  identityFromPem,
  type ListenOptions,
  QuicEndpoint,
  type VerifyPeer,
} from '../src/index.js';
import { type Authority, certificate, KEY_KINDS, type KeyKind } from './support/certificates.js';
import { network } from './support/network.js';
import { attempt, connected, failure, PROTOCOLS, pair } from './support/pair.js';

let identity: Authority;
let authority: Authority;
beforeAll(async () => {
  identity = await certificate({ name: 'server' });
  authority = await certificate({ name: 'authority' });
});

/** Trusts what the authority has signed and is valid now. */
const trusting: VerifyPeer = ([leaf]) => {
  if (!leaf?.verify(new X509Certificate(authority.chain[0] ?? '').publicKey)) {
    throw new CertificateRefused('x509: certificate signed by unknown authority', 'unknown_ca');
  }
  if (Date.parse(leaf.validTo) < Date.now()) {
    throw new CertificateRefused('x509: certificate has expired', 'certificate_expired');
  }
};

const mutual: Partial<ListenOptions> = { clientCertificates: 'require', verifyPeer: trusting };

describe('a handshake', () => {
  it.each(Object.keys(KEY_KINDS) as KeyKind[])('works with %s keys on both sides', async (kind) => {
    const both = pair();
    const server = await certificate({ name: 'server', kind, issuer: authority });
    const client = await certificate({ name: 'client', kind, issuer: authority });
    const { dialled, accepted } = await connected(both, server, {
      listen: mutual,
      connect: { verifyPeer: trusting, identity: client },
    });
    expect(dialled.peerCertificates.map((one) => one.subject)).toEqual(['CN=server']);
    expect(accepted.peerCertificates.map((one) => one.subject)).toEqual(['CN=client']);
    both.close();
  });

  it('agrees on a protocol, and tells the names of both', async () => {
    const both = pair();
    const { dialled, accepted } = await connected(both, identity, {
      listen: { protocols: ['other', 'netceptor'] },
      connect: { serverName: 'node-1' },
    });
    expect(dialled.protocol).toBe('netceptor');
    expect(accepted.protocol).toBe('netceptor');
    expect(dialled.serverName).toBeUndefined();
    expect(accepted.serverName).toBe('node-1');
    expect([dialled.remote, accepted.remote]).toEqual(['server', 'client']);
    expect(accepted.peerCertificates).toEqual([]);
    both.close();
  });

  it.each([
    ['an underscore_at the end-', 'name.invalid'],
    ['ein Knoten', 'name.invalid'],
    ['', undefined],
    ['10.0.0.1', undefined],
  ])('sends for the server name %j the name %j', async (serverName, expected) => {
    const both = pair();
    const { accepted } = await connected(both, identity, { connect: { serverName } });
    expect(accepted.serverName).toBe(expected);
    both.close();
  });

  it('fails when no protocol is shared', async () => {
    const both = pair();
    const { dialled, accepted } = await attempt(both, identity, { connect: { protocols: ['other'] } });
    const [client, server] = await Promise.all([failure(dialled), failure(accepted)]);
    expect(client).toMatchObject({ code: 'QUIC_TLS', alert: 120, transportCode: 0x178 });
    expect(server).toMatchObject({ code: 'QUIC_TLS', alert: 120 });
    both.close();
  });

  it('passes the whole chain to the verifier', async () => {
    const both = pair();
    const leaf = await certificate({ name: 'leaf', issuer: authority });
    const chain = [...leaf.chain, ...authority.chain];
    const { dialled } = await connected(
      both,
      { chain, key: leaf.key },
      { connect: { verifyPeer: trusting } },
    );
    expect(dialled.peerCertificates.map((one) => one.subject)).toEqual(['CN=leaf', 'CN=authority']);
    both.close();
  });

  it('gets by with a chain that does not fit into a packet', async () => {
    const both = pair();
    const leaf = await certificate({ name: 'leaf', kind: 'RSA 4096' });
    const chain = [...leaf.chain, ...Array.from({ length: 12 }, () => leaf.chain[0] as Uint8Array)];
    const { dialled } = await connected(both, { chain, key: leaf.key });
    expect(dialled.peerCertificates.length).toBe(13);
    both.close();
  });
});

describe('a server certificate that is refused', () => {
  it.each([
    ['bad_certificate', 42],
    ['certificate_revoked', 44],
    ['certificate_expired', 45],
    ['certificate_unknown', 46],
    ['unknown_ca', 48],
    ['access_denied', 49],
  ] as const)('tells the server %s', async (alert, number) => {
    const both = pair();
    const refusal = new CertificateRefused('x509: not this one', alert);
    const { dialled, accepted } = await attempt(both, identity, {
      connect: {
        verifyPeer: () => {
          throw refusal;
        },
      },
    });
    const [client, server] = await Promise.all([failure(dialled), failure(accepted)]);
    expect(client).toMatchObject({ code: 'QUIC_TLS', alert: number, cause: refusal });
    expect(client.message).toBe(`CRYPTO_ERROR 0x${(256 + number).toString(16)} (local): x509: not this one`);
    expect(server).toMatchObject({ code: 'QUIC_TLS', alert: number });
    expect(server.message).toContain('(remote)');
    both.close();
  });

  it('is refused by any error that the verifier throws', async () => {
    const both = pair();
    const { dialled, accepted } = await attempt(both, identity, {
      connect: {
        verifyPeer: () => {
          throw new RangeError('a bug');
        },
      },
    });
    accepted.catch(() => {});
    expect(await failure(dialled)).toMatchObject({ alert: 42, message: 'CRYPTO_ERROR 0x12a (local): a bug' });
    both.close();
  });

  it('is refused when the verifier calls into the endpoint', async () => {
    const both = pair();
    const { dialled, accepted } = await attempt(both, identity, {
      connect: { verifyPeer: () => both.client.close() },
    });
    accepted.catch(() => {});
    expect((await failure(dialled)).message).toContain('from within a verification');
    both.close();
  });
});

describe('mutual TLS', () => {
  const outcome = async (client: Authority | undefined, listen = mutual) => {
    const both = pair();
    const { dialled, accepted } = await attempt(both, identity, {
      listen,
      connect: client ? { identity: client } : {},
    });
    // The client is done first; the server's verdict reaches it later.
    const connection = await dialled;
    const [told, seen] = await Promise.all([connection.closed, failure(accepted)]);
    both.close();
    return { told, seen };
  };

  it('refuses a certificate of another authority', async () => {
    const { told, seen } = await outcome(await certificate({ name: 'client' }));
    expect(told).toMatchObject({ code: 'QUIC_TLS', alert: 48 });
    expect(seen).toMatchObject({ code: 'QUIC_TLS', alert: 48 });
    expect(seen.message).toBe('CRYPTO_ERROR 0x130 (local): x509: certificate signed by unknown authority');
  });

  it('refuses an expired certificate', async () => {
    const { told } = await outcome(await certificate({ issuer: authority, from: -2, to: -1 }));
    expect(told).toMatchObject({ code: 'QUIC_TLS', alert: 45 });
  });

  it('refuses a client without one, when it is required', async () => {
    const { told, seen } = await outcome(undefined);
    expect(told).toMatchObject({ code: 'QUIC_TLS', transportCode: 0x174, alert: 116 });
    expect(seen).toMatchObject({ code: 'QUIC_TLS', alert: 116 });
  });

  it('accepts a client without one, when it is only requested', async () => {
    const both = pair();
    const listen = { clientCertificates: 'request' as const, verifyPeer: trusting };
    const { accepted } = await connected(both, identity, { listen });
    expect(accepted.peerCertificates).toEqual([]);
    both.close();
  });

  it('tells the verifier whom it judges', async () => {
    const both = pair();
    const seen: string[] = [];
    const verifyPeer: VerifyPeer = ([leaf], remote) => void seen.push(`${leaf?.subject} at ${remote}`);
    await connected(both, identity, {
      listen: { clientCertificates: 'require', verifyPeer },
      connect: { verifyPeer, identity: await certificate({ name: 'client' }) },
    });
    expect(seen).toEqual(['CN=server at server', 'CN=client at client']);
    both.close();
  });
});

describe('an attempt to connect', () => {
  it('ends when nobody answers', async () => {
    const net = network({ loss: 1 });
    const dialled = net.client.connect('server', { protocols: PROTOCOLS, verifyPeer: () => {} });
    dialled.catch(() => {});
    const error = await net.clock.run(failure(dialled));
    expect(error).toMatchObject({ code: 'QUIC_HANDSHAKE_TIMEOUT' });
    expect(net.clock.now()).toBe(15_000);
    net.close();
    expect(net.clock.pending).toBe(0);
  });

  it('ends when it is aborted, before and while', async () => {
    const net = network({ loss: 1 });
    const abort = new AbortController();
    const options = { protocols: PROTOCOLS, verifyPeer: () => {}, signal: abort.signal };
    const dialled = net.client.connect('server', options);
    setImmediate(() => abort.abort(new Error('enough')));
    expect(await failure(dialled)).toMatchObject({ code: 'QUIC_ABORTED', cause: new Error('enough') });
    expect(await failure(net.client.connect('server', options))).toMatchObject({ code: 'QUIC_ABORTED' });
    net.close();
    expect(net.clock.pending).toBe(0);
  });

  it('is refused by the own endpoint when that has too many connections', async () => {
    const both = pair(undefined, { maxConnections: 1 });
    await connected(both, identity);
    const dial = both.client.connect('server', { protocols: PROTOCOLS, verifyPeer: () => {} });
    expect(await failure(dial)).toMatchObject({ code: 'QUIC_LIMIT' });
    both.close();
  });

  it('is refused by a listening endpoint that has too many connections, and works when one has ended', async () => {
    const clients = new Map<string, QuicEndpoint>();
    const server: QuicEndpoint = new QuicEndpoint({
      maxConnections: 2,
      send: (datagrams, to) =>
        setImmediate(() => {
          for (const one of datagrams) clients.get(to)?.receive(one, 'server');
        }),
    });
    const freed: (() => void)[] = [];
    server.listen({
      protocols: PROTOCOLS,
      identity,
      onConnection: (connection) => {
        freed.push(() => connection.close(0, 'bye'));
      },
    });
    const dial = (name: string) => {
      const client: QuicEndpoint = new QuicEndpoint({
        send: (datagrams) =>
          setImmediate(() => {
            for (const one of datagrams) server.receive(one, name);
          }),
      });
      clients.set(name, client);
      return client.connect('server', { protocols: PROTOCOLS, verifyPeer: () => {} });
    };
    const [first] = [await dial('a'), await dial('b')];
    expect((await failure(dial('c'))).message).toMatch(/CONNECTION_REFUSED/);
    expect([first.error, freed.length]).toEqual([undefined, 2]);
    freed[0]?.();
    await first.closed;
    // The place is free when the connection has drained.
    while ((await dial('d').catch(() => undefined)) === undefined)
      await new Promise((resolve) => setTimeout(resolve, 20));
    for (const endpoint of [server, ...clients.values()]) endpoint.close();
  });

  it('is answered by nobody once listening has stopped', async () => {
    const net = network();
    net.server.listen({ protocols: PROTOCOLS, identity, onConnection: () => {} });
    net.server.stopListening();
    const dialled = net.client.connect('server', { protocols: PROTOCOLS, verifyPeer: () => {} });
    dialled.catch(() => {});
    expect(await net.clock.run(failure(dialled))).toMatchObject({ code: 'QUIC_HANDSHAKE_TIMEOUT' });
    net.close();
  });

  it('uses the identity that was last listened with', async () => {
    const both = pair();
    await connected(both, identity);
    const { dialled } = await connected(both, await certificate({ name: 'renewed' }));
    expect(dialled.peerCertificates[0]?.subject).toBe('CN=renewed');
    both.close();
  });
});

describe('bad options', () => {
  it.each([
    [{ protocols: [] }, 'a protocol (ALPN) of 1 to 255 bytes is needed'],
    [{ idleTimeout: -1 }, 'idleTimeout must be a whole number of 0 to 2147483647, not -1'],
    [{ streamWindow: 1.5 }, 'streamWindow must be a whole number of 0 to 2147483647, not 1.5'],
  ])('%j are refused: %s', async (options, message) => {
    const both = pair();
    const dialled = both.client.connect('server', { protocols: PROTOCOLS, verifyPeer: () => {}, ...options });
    expect(await failure(dialled)).toMatchObject({ code: 'QUIC_INVALID', message });
    expect(both.client.connections).toBe(0);
    both.close();
  });

  it('of an endpoint are refused', () => {
    const send = () => {};
    expect(() => new QuicEndpoint({ send, maxDatagramSize: 1199 })).toThrow(/maxDatagramSize.*1200.*1199/);
    expect(() => new QuicEndpoint({ send, headroom: -1 })).toThrow(/headroom/);
  });

  it('include an identity whose key is another', async () => {
    const both = pair();
    const other = await certificate();
    const wrong = { chain: identity.chain, key: other.key };
    expect(() =>
      both.server.listen({ protocols: PROTOCOLS, identity: wrong, onConnection: () => {} }),
    ).toThrow('the private key is not that of the certificate');
    expect(() =>
      both.server.listen({
        protocols: PROTOCOLS,
        identity,
        clientCertificates: 'require',
        onConnection: () => {},
      }),
    ).toThrow('without verifyPeer');
    both.close();
  });

  it('include PEM texts without a certificate, without a key, and with another key', async () => {
    const pem = new X509Certificate(identity.chain[0] ?? '').toString();
    const key = identity.key.export({ type: 'pkcs8', format: 'pem' }).toString();
    const other = (await certificate()).key.export({ type: 'pkcs8', format: 'pem' }).toString();
    expect(identityFromPem(pem, key).chain).toHaveLength(1);
    expect(() => identityFromPem('', key)).toThrow('there is no certificate');
    expect(() => identityFromPem(pem, 'nothing')).toThrow('cannot be read');
    expect(() => identityFromPem(pem, other)).toThrow('not that of the certificate');
  });

  it('are refused on a closed endpoint', async () => {
    const both = pair();
    both.close();
    const dialled = both.client.connect('server', { protocols: PROTOCOLS, verifyPeer: () => {} });
    expect(await failure(dialled)).toMatchObject({ code: 'QUIC_CLOSED' });
    both.client.receive(Buffer.alloc(1200), 'server');
    both.close();
  });
});
