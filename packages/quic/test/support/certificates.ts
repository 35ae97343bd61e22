import 'reflect-metadata';
import { createPrivateKey, webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import type { QuicIdentity } from '../../src/index.js';

x509.cryptoProvider.set(webcrypto as unknown as Parameters<typeof x509.cryptoProvider.set>[0]);

/** Kinds of keys that a node may have. */
export const KEY_KINDS = {
  'RSA 2048': {
    name: 'RSASSA-PKCS1-v1_5',
    hash: 'SHA-256',
    publicExponent: new Uint8Array([1, 0, 1]),
    modulusLength: 2048,
  },
  'RSA 4096': {
    name: 'RSASSA-PKCS1-v1_5',
    hash: 'SHA-256',
    publicExponent: new Uint8Array([1, 0, 1]),
    modulusLength: 4096,
  },
  'P-256': { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' },
  'P-384': { name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-384' },
  'P-521': { name: 'ECDSA', namedCurve: 'P-521', hash: 'SHA-512' },
  Ed25519: { name: 'Ed25519' },
} as const;

export type KeyKind = keyof typeof KEY_KINDS;

const DAY = 86_400_000;

export interface CertificateOptions {
  name?: string;
  kind?: KeyKind;
  /** Days from now. */
  from?: number;
  to?: number;
  issuer?: Authority;
}

/** Something that signs certificates. */
export interface Authority extends QuicIdentity {
  certificate: x509.X509Certificate;
  keys: webcrypto.CryptoKeyPair;
}

/** Makes a certificate, signed by itself if there is no issuer. */
export async function certificate(options: CertificateOptions = {}): Promise<Authority> {
  const { name = 'node', kind = 'P-256', from = -1, to = 1, issuer } = options;
  const algorithm = KEY_KINDS[kind];
  const keys = (await webcrypto.subtle.generateKey(algorithm, true, [
    'sign',
    'verify',
  ])) as webcrypto.CryptoKeyPair;
  const certificate = await x509.X509CertificateGenerator.create({
    subject: `CN=${name}`,
    issuer: issuer ? issuer.certificate.subject : `CN=${name}`,
    notBefore: new Date(Date.now() + from * DAY),
    notAfter: new Date(Date.now() + to * DAY),
    publicKey: keys.publicKey,
    signingKey: issuer ? issuer.keys.privateKey : keys.privateKey,
    signingAlgorithm: issuer ? issuer.keys.privateKey.algorithm : algorithm,
    extensions: [new x509.BasicConstraintsExtension(issuer === undefined)],
  });
  const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey as webcrypto.CryptoKey);
  const key = createPrivateKey({ key: Buffer.from(pkcs8), format: 'der', type: 'pkcs8' });
  return { chain: [new Uint8Array(certificate.rawData)], key, certificate, keys };
}
