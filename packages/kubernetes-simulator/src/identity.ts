import 'reflect-metadata';
import { createHash, randomBytes, webcrypto } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';
import { stringify } from 'yaml';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const DAY = 86_400_000;

/** A certificate and its key, as PEM. */
interface KeyPair {
  cert: string;
  key: string;
}

/** The certificates and the token of one simulator; made when it starts, worthless when it ends. */
export interface Identity {
  ca: string;
  /** Of an authority that signed nothing here. */
  foreignCa: string;
  server: KeyPair;
  /** Of the user `admin`. */
  client: KeyPair;
  /** Of the service account `default:tester`. */
  token: string;
}

/** How a kubeconfig authenticates, and where it points to. */
export interface KubeconfigOptions {
  /** `certificate` (default): the client certificate of `admin`; `token`: the token of service account `tester`. */
  auth?: 'certificate' | 'token' | 'none';
  /** Writes certificate and key as files into this directory and names them by path, as minikube does. */
  directory?: string;
  /** Default `default`. */
  namespace?: string;
  /** Names an authority that did not sign the server's certificate. */
  wrongAuthority?: boolean;
  /** Leaves the API server's certificate unchecked. */
  insecure?: boolean;
}

interface Signer {
  name: string;
  keys: webcrypto.CryptoKeyPair;
}

/** Makes a throw-away authority, and server and client certificates signed by it. */
export const createIdentity = async (): Promise<Identity> => {
  x509.cryptoProvider.set(webcrypto);
  const [ca, foreign] = [await authority('kubernetes-simulator-ca'), await authority('stranger')];
  const names: x509.JsonGeneralNames = [
    { type: 'dns', value: 'localhost' },
    { type: 'dns', value: 'kubernetes.default.svc' },
    { type: 'ip', value: '127.0.0.1' },
    { type: 'ip', value: '::1' },
  ];
  const server = await signed(ca.signer, 'CN=kubernetes-simulator', [
    new x509.SubjectAlternativeNameExtension(names),
    new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
  ]);
  const client = await signed(ca.signer, 'O=system:masters, CN=admin', [
    new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.clientAuth]),
  ]);
  const token = createHash('sha256').update(randomBytes(32)).digest('base64url');
  return { ca: ca.pem, foreignCa: foreign.pem, server, client, token };
};

const authority = async (cn: string): Promise<{ signer: Signer; pem: string }> => {
  const keys = await newKeys();
  const cert = await x509.X509CertificateGenerator.createSelfSigned({
    name: `CN=${cn}`,
    keys,
    ...validity(),
    signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { signer: { name: `CN=${cn}`, keys }, pem: cert.toString('pem') };
};

const signed = async (signer: Signer, subject: string, extensions: x509.Extension[]): Promise<KeyPair> => {
  const keys = await newKeys();
  const cert = await x509.X509CertificateGenerator.create({
    subject,
    issuer: signer.name,
    publicKey: keys.publicKey,
    signingKey: signer.keys.privateKey,
    ...validity(),
    signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      ...extensions,
    ],
  });
  const key = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
  return { cert: cert.toString('pem'), key: x509.PemConverter.encode(key, 'PRIVATE KEY') };
};

const newKeys = (): Promise<webcrypto.CryptoKeyPair> =>
  webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']) as Promise<webcrypto.CryptoKeyPair>;

const validity = () => ({
  serialNumber: randomBytes(8).toString('hex'),
  notBefore: new Date(Date.now() - DAY),
  notAfter: new Date(Date.now() + 30 * DAY),
});

/** The text of a kubeconfig that leads to the simulator. */
export const kubeconfigText = (identity: Identity, url: string, options: KubeconfigOptions = {}): string => {
  const { auth = 'certificate', directory, namespace = 'default' } = options;
  const authority = options.wrongAuthority ? identity.foreignCa : identity.ca;
  const embed = (field: string, file: string, text: string) => {
    if (directory === undefined) return { [`${field}-data`]: Buffer.from(text).toString('base64') };
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    writeFileSync(join(directory, file), text, { mode: 0o600 });
    return { [field]: join(directory, file) };
  };
  const user =
    auth === 'token'
      ? { token: identity.token }
      : auth === 'none'
        ? {}
        : {
            ...embed('client-certificate', 'client.crt', identity.client.cert),
            ...embed('client-key', 'client.key', identity.client.key),
          };
  const trust = options.insecure
    ? { 'insecure-skip-tls-verify': true }
    : embed('certificate-authority', 'ca.crt', authority);
  return stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'simulator', cluster: { server: url, ...trust } }],
    users: [{ name: 'simulator', user }],
    contexts: [{ name: 'simulator', context: { cluster: 'simulator', user: 'simulator', namespace } }],
    'current-context': 'simulator',
  });
};
