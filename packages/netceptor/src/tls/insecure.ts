import { generateKeyPairSync, type KeyObject, sign, type X509Certificate } from 'node:crypto';
import { writeDer } from './der.js';

/** The name by which both sides know that no TLS was configured (reference: mesh, 5.5). */
const INSECURE_NAME = 'netceptor-insecure-common-name';

/** A certificate and its private key, as QUIC takes them. */
export interface Identity {
  readonly chain: readonly Uint8Array[];
  readonly key: KeyObject;
}

const SEQUENCE = 0x30;
const oid = (hex: string) => writeDer(0x06, Buffer.from(hex, 'hex'));
const utcTime = (time: number) =>
  writeDer(
    0x17,
    Buffer.from(
      `${new Date(time)
        .toISOString()
        .replace(/[-:T]|\.\d+/g, '')
        .slice(2)}`,
    ),
  );

/** A certificate that says nothing but that it is none, with a key of its own. */
export function insecureIdentity(now: number): Identity {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const ecdsaWithSha256 = writeDer(SEQUENCE, oid('2a8648ce3d040302'));
  const commonName = writeDer(SEQUENCE, oid('550403'), writeDer(0x0c, Buffer.from(INSECURE_NAME)));
  const name = writeDer(SEQUENCE, writeDer(0x31, commonName));
  const signed = writeDer(
    SEQUENCE,
    writeDer(0xa0, writeDer(0x02, Buffer.from([2]))),
    writeDer(0x02, Buffer.from([1])),
    ecdsaWithSha256,
    name,
    writeDer(SEQUENCE, utcTime(now - 60_000), utcTime(now + 86_400_000)),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
  );
  const signature = writeDer(0x03, Buffer.from([0]), sign('sha256', signed, privateKey));
  return { chain: [writeDer(SEQUENCE, signed, ecdsaWithSha256, signature)], key: privateKey };
}

/** Whether a certificate is one that says that no TLS was configured. */
export function isInsecure(certificate: X509Certificate): boolean {
  return certificate.subject.split('\n').includes(`CN=${INSECURE_NAME}`);
}
