import 'reflect-metadata';
import { randomBytes, webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';

const ALGORITHMS = {
  ec: { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' },
  rsa: {
    name: 'RSASSA-PKCS1-v1_5',
    hash: 'SHA-256',
    modulusLength: 2048,
    publicExponent: new Uint8Array([1, 0, 1]),
  },
} as const;
const DAY = 86_400_000;

/** A certificate and its key, as PEM. */
export interface Pair {
  readonly cert: string;
  readonly key: string;
}

/** What a certificate is to say. */
export interface Wanted {
  /** Its subject, `CN=localhost` by default. */
  readonly subject?: string;
  readonly dns?: readonly string[];
  readonly nodeIds?: readonly string[];
  /** Days from now on which it ends to be valid. */
  readonly until?: number;
  readonly usages?: readonly ('server' | 'client')[];
  readonly algorithm?: 'ec' | 'rsa';
}

x509.cryptoProvider.set(webcrypto as unknown as Parameters<typeof x509.cryptoProvider.set>[0]);

/** An authority that signs certificates for a test. */
export class Authority {
  readonly pem: string;
  readonly #keys: webcrypto.CryptoKeyPair;

  private constructor(pem: string, keys: webcrypto.CryptoKeyPair) {
    this.pem = pem;
    this.#keys = keys;
  }

  static async create(): Promise<Authority> {
    const keys = await newKeys('ec');
    const cert = await x509.X509CertificateGenerator.createSelfSigned({
      name: 'CN=authority',
      keys,
      notBefore: new Date(Date.now() - DAY),
      notAfter: new Date(Date.now() + 30 * DAY),
      signingAlgorithm: ALGORITHMS.ec,
      extensions: [
        new x509.BasicConstraintsExtension(true, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
      ],
    });
    return new Authority(cert.toString('pem'), keys);
  }

  async sign(wanted: Wanted = {}): Promise<Pair> {
    const { subject = 'CN=localhost', algorithm = 'ec', usages = ['server', 'client'], until = 10 } = wanted;
    const keys = await newKeys(algorithm);
    const uses = usages.map((use) =>
      use === 'server' ? x509.ExtendedKeyUsage.serverAuth : x509.ExtendedKeyUsage.clientAuth,
    );
    const cert = await x509.X509CertificateGenerator.create({
      serialNumber: randomBytes(8).toString('hex'),
      subject,
      issuer: 'CN=authority',
      publicKey: keys.publicKey,
      signingKey: this.#keys.privateKey,
      notBefore: new Date(Date.now() - 20 * DAY),
      notAfter: new Date(Date.now() + until * DAY),
      signingAlgorithm: ALGORITHMS.ec,
      extensions: [
        new x509.Extension('2.5.29.17', false, subjectAltName(wanted)),
        new x509.ExtendedKeyUsageExtension(uses),
      ],
    });
    const key = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
    return { cert: cert.toString('pem'), key: x509.PemConverter.encode(key, 'PRIVATE KEY') };
  }
}

/** The extension with DNS names, 127.0.0.1 and node IDs, in the order of the Go commands. */
function subjectAltName({ dns = ['localhost'], nodeIds = [] }: Wanted): Uint8Array<ArrayBuffer> {
  const names = [
    ...dns.map((name) => der(0x82, Buffer.from(name))),
    der(0x87, Buffer.from([127, 0, 0, 1])),
    ...nodeIds.map((id) =>
      der(
        0xa0,
        Buffer.concat([Buffer.from('06092b0601040192081301', 'hex'), der(0xa0, der(0x0c, Buffer.from(id)))]),
      ),
    ),
  ];
  return new Uint8Array(der(0x30, Buffer.concat(names)));
}

function der(tag: number, content: Buffer): Buffer {
  const { length } = content;
  const head =
    length < 128
      ? [tag, length]
      : length < 256
        ? [tag, 0x81, length]
        : [tag, 0x82, length >> 8, length & 255];
  return Buffer.concat([Buffer.from(head), content]);
}

function newKeys(algorithm: keyof typeof ALGORITHMS): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(ALGORITHMS[algorithm], true, [
    'sign',
    'verify',
  ]) as Promise<webcrypto.CryptoKeyPair>;
}
