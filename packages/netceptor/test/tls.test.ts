import { createHash, createPublicKey, verify, X509Certificate } from 'node:crypto';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { findChainProblem, parseCertificates, Usage } from '../src/tls/chain.js';
import { readDer, writeDer } from '../src/tls/der.js';
import { isPinned, parseFingerprints } from '../src/tls/fingerprints.js';
import { insecureIdentity, isInsecure } from '../src/tls/insecure.js';
import { nodeIdsOf } from '../src/tls/node-ids.js';
import { checkOwnNodeId, TlsClientProfile, TlsServerProfile } from '../src/tls/profile.js';
import { Authority, type Pair } from './certificates.js';
import { readVectors } from './vectors.js';

let authority: Authority;
let stranger: Authority;
let foo: Pair;
beforeAll(async () => {
  authority = await Authority.create();
  stranger = await Authority.create();
  foo = await authority.sign({ nodeIds: ['foo', 'foo2'] });
});
const certificate = (pair: Pair) => new X509Certificate(pair.cert);

describe('the node IDs of a certificate', () => {
  it('are read from the one that a Go node has signed', () => {
    const signed = readVectors('certificates').entries.find(({ kind }) => kind === 'signed certificate');
    expect(nodeIdsOf(new X509Certificate(String(signed?.pem)))).toEqual(['foo', 'foo2']);
  });

  it('are none in one without names, and all whatever their length', async () => {
    const ca = readVectors('certificates').entries.find(({ kind }) => kind === 'ca certificate');
    expect(nodeIdsOf(new X509Certificate(String(ca?.pem)))).toEqual([]);
    const names = ['x'.repeat(300), 'ünïcode', 'a:b'];
    expect(nodeIdsOf(certificate(await authority.sign({ nodeIds: names })))).toEqual(names);
  });
});

describe('DER', () => {
  it('survives a round trip', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom(2, 4, 12, 0x30, 0xa0), fc.uint8Array({ maxLength: 400 }))),
        (values) => {
          const bytes = Buffer.concat(values.map(([tag, content]) => writeDer(tag, content)));
          expect(readDer(bytes)).toEqual(
            values.map(([tag, content]) => ({ tag, content: Buffer.from(content) })),
          );
        },
      ),
    );
  });

  it('is refused without an exception when it is none', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        const values = readDer(Buffer.from(bytes));
        if (values)
          expect(Buffer.concat(values.map(({ content }) => content)).length).toBeLessThanOrEqual(
            bytes.length,
          );
      }),
      { numRuns: 2000 },
    );
  });
});

describe('a chain of certificates', () => {
  const roots = () => parseCertificates(authority.pem);
  const now = Date.now();

  it('is accepted for what it is for, from who is trusted, while it is valid', async () => {
    expect(findChainProblem([certificate(foo)], roots(), Usage.server, now)).toBeUndefined();
    expect(findChainProblem([certificate(foo)], parseCertificates(stranger.pem), Usage.server, now)).toEqual({
      text: 'x509: certificate signed by unknown authority',
      alert: 'unknown_ca',
    });
    const client = certificate(await authority.sign({ usages: ['client'] }));
    expect(findChainProblem([client], roots(), Usage.server, now)?.text).toBe(
      'x509: certificate specifies an incompatible key usage',
    );
    const old = certificate(await authority.sign({ until: -1 }));
    expect(findChainProblem([old], roots(), Usage.server, now)).toMatchObject({
      text: expect.stringContaining('x509: certificate has expired or is not yet valid: current time'),
      alert: 'certificate_expired',
    });
    expect(findChainProblem([certificate(foo)], roots(), Usage.server, 0)?.text).toContain('is before');
    expect(findChainProblem([], roots(), Usage.server, now)?.text).toBe(
      'RVF failed: peer certificate missing',
    );
  });

  it('is not accepted from somebody whom a certificate was given to, but not to sign with', async () => {
    const forged = certificate(foo);
    expect(
      findChainProblem([forged], [certificate(await authority.sign())], Usage.server, now),
    ).toBeDefined();
    expect(findChainProblem([forged, ...roots()], [], Usage.server, now)?.alert).toBe('unknown_ca');
  });
});

describe('a certificate that is damaged', () => {
  const damaged = (der: Uint8Array, from: string, to: string) => {
    const hex = Buffer.from(der).toString('hex');
    expect(hex).toContain(from);
    return new X509Certificate(Buffer.from(hex.replace(from, to), 'hex'));
  };

  it('in its validity is refused with a reason', () => {
    const [der = Buffer.alloc(0)] = insecureIdentity(Date.UTC(2026, 0, 2)).chain;
    // 260101235900Z
    const badTime = damaged(der, '323630313031323335393030', '323678783031323335393030');
    expect(findChainProblem([badTime], [], Usage.server, Date.now())).toEqual({
      text: 'x509: certificate has a validity that cannot be read',
      alert: 'bad_certificate',
    });
  });

  it('in its key has signed nothing, and is no certificate in a file', () => {
    // The curve of the key.
    const badKey = damaged(new X509Certificate(authority.pem).raw, '2a8648ce3d030107', '2a8648ce3d030177');
    const cert = badKey.toString();
    expect(() => parseCertificates(cert)).toThrow('a certificate cannot be read');
    expect(() => new TlsServerProfile({ cert, key: foo.key })).toThrow('a certificate cannot be read');
    expect(findChainProblem([certificate(foo)], [badKey], Usage.server, Date.now())?.alert).toBe(
      'unknown_ca',
    );
  });
});

describe('fingerprints', () => {
  it('are read with colons or without, in SHA-256 or SHA-512', () => {
    const raw = certificate(foo).raw;
    const sha256 = createHash('sha256').update(raw).digest('hex');
    const sha512 = createHash('sha512').update(raw).digest('hex').toUpperCase();
    for (const text of [sha256, sha512, certificate(foo).fingerprint256])
      expect(isPinned(raw, parseFingerprints(['00'.repeat(32), text]))).toBe(true);
    expect(isPinned(raw, parseFingerprints(['00'.repeat(32)]))).toBe(false);
    expect(isPinned(raw, [])).toBe(true);
  });

  it.each([
    ['zz', 'error decoding fingerprints: error decoding fingerprint'],
    ['abc', 'error decoding fingerprints: error decoding fingerprint'],
    ['00', 'error decoding fingerprints: fingerprints must be 32 or 64 bytes for sha256 or sha512'],
  ])('such as %s are refused', (text, message) => {
    expect(() => parseFingerprints([text])).toThrow(message);
  });
});

describe('the certificate that says that no TLS is configured', () => {
  it('has the name that the other side looks for, and a signature of its own', () => {
    const { chain, key } = insecureIdentity(Date.now());
    const made = new X509Certificate(chain[0] as Uint8Array);
    expect(made.subject).toBe('CN=netceptor-insecure-common-name');
    expect(made.issuer).toBe(made.subject);
    expect(isInsecure(made)).toBe(true);
    expect(made.verify(made.publicKey)).toBe(true);
    expect(made.checkPrivateKey(key)).toBe(true);
    expect(Date.parse(made.validTo) - Date.parse(made.validFrom)).toBe(86_460_000);
    expect(verify(null, Buffer.alloc(0), createPublicKey(key), Buffer.alloc(64))).toBe(false);
  });

  it('is no other', async () => {
    expect(isInsecure(certificate(foo))).toBe(false);
    const tricky = await authority.sign({ subject: 'CN=x, OU=CN\\=netceptor-insecure-common-name' });
    expect(isInsecure(certificate(tricky))).toBe(false);
  });
});

describe('a profile', () => {
  it('checks the certificate of a service by node ID, in the words of Go', () => {
    const client = new TlsClientProfile({ rootCas: authority.pem });
    const refuse = (node: string, pair = foo) =>
      client.refuseService([certificate(pair)], node, Date.now())?.text;
    expect(refuse('foo')).toBeUndefined();
    expect(refuse('foo2')).toBeUndefined();
    expect(refuse('raw')).toBe('x509: certificate is valid for Receptor node IDs foo, foo2, not raw');
  });

  it('says when a certificate has one node ID, or none', async () => {
    const client = new TlsClientProfile({ rootCas: authority.pem });
    const refuse = async (nodeIds: string[]) =>
      client.refuseService([certificate(await authority.sign({ nodeIds }))], 'raw', Date.now())?.text;
    expect(await refuse(['bar'])).toBe('x509: certificate is valid for Receptor node ID bar, not raw');
    expect(await refuse([])).toBe(
      'x509: certificate is not valid for any Receptor node IDs, but wanted to match raw',
    );
  });

  it('skips all checks, pins too, only when it is told to', () => {
    const options = { rootCas: stranger.pem, pinnedServerCert: ['00'.repeat(32)] };
    const refuse = (insecureSkipVerify: boolean) =>
      new TlsClientProfile({ ...options, insecureSkipVerify }).refuseService(
        [certificate(foo)],
        'x',
        Date.now(),
      );
    expect(refuse(true)).toBeUndefined();
    expect(refuse(false)?.text).toContain('does not match any pinned fingerprint');
  });

  it('checks callers: by node ID when they have to show a certificate, and by pins always', () => {
    const refuse = (options: object, node: string) =>
      new TlsServerProfile({ ...foo, clientCas: authority.pem, ...options }).refuseCaller(
        [certificate(foo)],
        node,
        Date.now(),
      )?.text;
    expect(refuse({}, 'anybody')).toBeUndefined();
    expect(refuse({ requireClientCert: true }, 'foo')).toBeUndefined();
    expect(refuse({ requireClientCert: true }, 'bar')).toContain('not bar');
    expect(refuse({ requireClientCert: true, pinnedClientCert: ['00'.repeat(32)] }, 'foo')).toContain(
      'pinned',
    );
    expect(new TlsServerProfile(foo).asksForCertificate).toBe(false);
    expect(new TlsServerProfile({ ...foo, clientCas: authority.pem }).asksForCertificate).toBe(true);
  });

  it('knows whether the own certificate is for the own node', () => {
    expect(() => checkOwnNodeId(new TlsServerProfile(foo), 'foo')).not.toThrow();
    expect(() => checkOwnNodeId(new TlsClientProfile(), 'bar')).not.toThrow();
    expect(() => checkOwnNodeId(new TlsServerProfile(foo), 'bar')).toThrow(
      'nodeID=bar not found in certificate name(s); names found=[foo foo2]',
    );
  });

  it.each([
    ['half of a pair', { cert: 'x' }, 'cert and key must both be supplied or neither'],
    ['no certificate', { cert: 'x', key: 'y' }, 'tls: failed to find any PEM data in certificate input'],
  ])('refuses %s', (_what, options, text) => {
    expect(() => new TlsClientProfile(options)).toThrow(text);
  });

  it('refuses a key that is not that of the certificate', async () => {
    const other = await authority.sign();
    expect(() => new TlsServerProfile({ cert: foo.cert, key: other.key })).toThrow(
      'tls: private key does not match public key',
    );
    expect(() => new TlsServerProfile({ cert: foo.cert, key: 'no key' })).toThrow('tls: ');
  });
});
