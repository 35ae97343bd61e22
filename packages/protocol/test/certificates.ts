import 'reflect-metadata';
import { randomBytes, webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const DAY_MS = 86_400_000;

/** A certificate and its key, as PEM. */
export interface Pair {
  cert: string;
  key: string;
}

/** What a certificate is to say; by default it is for `localhost` and valid now. */
export interface Wanted {
  name?: string;
  /** Days from now. */
  from?: number;
  until?: number;
}

x509.cryptoProvider.set(webcrypto);

/** An authority that signs certificates for a test. */
export class Authority {
  readonly pem: string;
  readonly #keys: webcrypto.CryptoKeyPair;

  private constructor(pem: string, keys: webcrypto.CryptoKeyPair) {
    this.pem = pem;
    this.#keys = keys;
  }

  static async create(): Promise<Authority> {
    const keys = await newKeys();
    const cert = await x509.X509CertificateGenerator.createSelfSigned({
      name: 'CN=authority',
      keys,
      ...validity({ until: 30 }),
      signingAlgorithm: ALGORITHM,
      extensions: [
        new x509.BasicConstraintsExtension(true, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
      ],
    });
    return new Authority(cert.toString('pem'), keys);
  }

  async sign(wanted: Wanted = {}): Promise<Pair> {
    const { name = 'localhost' } = wanted;
    const keys = await newKeys();
    const cert = await x509.X509CertificateGenerator.create({
      subject: `CN=${name}`,
      issuer: 'CN=authority',
      publicKey: keys.publicKey,
      signingKey: this.#keys.privateKey,
      ...validity(wanted),
      signingAlgorithm: ALGORITHM,
      extensions: [new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: name }])],
    });
    const key = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
    return { cert: cert.toString('pem'), key: x509.PemConverter.encode(key, 'PRIVATE KEY') };
  }
}

function newKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(ALGORITHM, true, [
    'sign',
    'verify',
  ]) as Promise<webcrypto.CryptoKeyPair>;
}

function validity({ from = -1, until = 30 }: Wanted) {
  return {
    serialNumber: randomBytes(8).toString('hex'),
    notBefore: new Date(Date.now() + from * DAY_MS),
    notAfter: new Date(Date.now() + until * DAY_MS),
  };
}
