import 'reflect-metadata';
import { createPublicKey, generateKeyPair, type KeyObject, webcrypto } from 'node:crypto';
import { promisify } from 'node:util';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  cryptoProvider,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type JsonName,
  KeyUsageFlags,
  KeyUsagesExtension,
  type Pkcs10CertificateRequest,
  Pkcs10CertificateRequestGenerator,
  SubjectKeyIdentifierExtension,
  type X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';
import { configError } from '../config/item.js';
import { type CertificateNames, decodeNames, encodeNames, findNames } from './names.js';

const ALGORITHM = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' };
const DEFAULT_BITS = 2048;
const CA_YEARS = 10;
const CERTIFICATE_YEARS = 1;

cryptoProvider.set(webcrypto as unknown as Parameters<typeof cryptoProvider.set>[0]);

type Keys = webcrypto.CryptoKeyPair;

/** From when and until when a certificate is valid; from now on for the usual time when left out. */
export interface Validity {
  readonly notBefore?: Date | undefined;
  readonly notAfter?: Date | undefined;
}

/** A new RSA key. @throws ReceptorError `RECEPTOR_CONFIG_INVALID` when there is none of so many bits */
export async function newKey(bits: number): Promise<KeyObject> {
  try {
    const { privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength: bits || DEFAULT_BITS });
    return privateKey;
  } catch (error) {
    throw configError(`cannot generate an RSA key of ${bits} bits: ${(error as Error).message}`, error);
  }
}

async function cryptoKeys(key: KeyObject): Promise<Keys> {
  const [pkcs8, spki] = [
    key.export({ type: 'pkcs8', format: 'der' }),
    createPublicKey(key).export({ type: 'spki', format: 'der' }),
  ];
  return {
    privateKey: await webcrypto.subtle.importKey('pkcs8', pkcs8, ALGORITHM, false, ['sign']),
    publicKey: await webcrypto.subtle.importKey('spki', spki, ALGORITHM, true, ['verify']),
  };
}

const named = (commonName: string): JsonName => [{ CN: [commonName] }];

/** As Go has it: the second in which the certificate was made. */
function serialNumber(): string {
  const hex = Math.floor(Date.now() / 1000).toString(16);
  return hex.length % 2 ? `0${hex}` : hex;
}

function period(
  { notBefore = new Date(), notAfter }: Validity,
  years: number,
): { notBefore: Date; notAfter: Date } {
  const later = new Date();
  later.setFullYear(later.getFullYear() + years);
  return { notBefore, notAfter: notAfter ?? later };
}

const usages = () =>
  new ExtendedKeyUsageExtension([ExtendedKeyUsage.clientAuth, ExtendedKeyUsage.serverAuth]);

/** A certificate of an authority, signed by itself (reference: mesh, 6.3). */
export async function createAuthority(
  commonName: string,
  key: KeyObject,
  validity: Validity,
): Promise<X509Certificate> {
  const keys = await cryptoKeys(key);
  return X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: named(commonName),
    keys,
    ...period(validity, CA_YEARS),
    signingAlgorithm: ALGORITHM,
    extensions: [
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature | KeyUsageFlags.keyCertSign, true),
      usages(),
      new BasicConstraintsExtension(true, undefined, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
}

/** A request for a certificate, signed with the key that the certificate is to be for. */
export async function createRequest(
  commonName: string,
  names: CertificateNames,
  key: KeyObject,
): Promise<Pkcs10CertificateRequest> {
  return Pkcs10CertificateRequestGenerator.create({
    name: named(commonName),
    keys: await cryptoKeys(key),
    signingAlgorithm: ALGORITHM,
    extensions: [encodeNames(names)],
  });
}

/** The names that a certificate is requested for. @throws ReceptorError `RECEPTOR_CONFIG_INVALID` when they cannot be read */
export function requestedNames(request: Pkcs10CertificateRequest): CertificateNames {
  try {
    return decodeNames(findNames(request.extensions));
  } catch (error) {
    throw configError(`the names in the request cannot be read: ${(error as Error).message}`, error);
  }
}

/**
 * Signs a request: its subject, its key and its names as they are, and nothing else of it.
 * @throws ReceptorError `RECEPTOR_CONFIG_INVALID` when it was not signed with its own key, or when the authority's key is another
 */
export async function signRequest(
  request: Pkcs10CertificateRequest,
  authority: X509Certificate,
  key: KeyObject,
  validity: Validity,
): Promise<X509Certificate> {
  // Go signs for whoever copies somebody's public key.
  if (!(await request.verify())) throw configError('the request is not signed with the key that it is for');
  const own = Buffer.from(authority.publicKey.rawData);
  if (!own.equals(createPublicKey(key).export({ type: 'spki', format: 'der' })))
    throw configError('the private key is not that of the CA certificate');
  const names = findNames(request.extensions);
  const identifier = authority.getExtension(SubjectKeyIdentifierExtension)?.keyId;
  const { privateKey } = await cryptoKeys(key);
  return X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: request.subjectName,
    issuer: authority.subjectName,
    publicKey: request.publicKey,
    signingKey: privateKey,
    ...period(validity, CERTIFICATE_YEARS),
    signingAlgorithm: ALGORITHM,
    extensions: [
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      usages(),
      ...(identifier === undefined ? [] : [new AuthorityKeyIdentifierExtension(identifier)]),
      ...(names ? [names] : []),
    ],
  });
}
