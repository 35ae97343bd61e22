import { constants, type KeyObject, sign, verify } from 'node:crypto';
import { QuicError } from './errors.js';

interface Scheme {
  /** Type of the key, as node:crypto names it, and for elliptic curves the curve. */
  key: string;
  curve?: string;
  hash: string | null;
}

/** The signature schemes of TLS 1.3 (RFC 8446, section 4.2.3) by their numbers. */
const SCHEMES: ReadonlyMap<number, Scheme> = new Map([
  [0x0403, { key: 'ec', curve: 'prime256v1', hash: 'sha256' }],
  [0x0503, { key: 'ec', curve: 'secp384r1', hash: 'sha384' }],
  [0x0603, { key: 'ec', curve: 'secp521r1', hash: 'sha512' }],
  [0x0807, { key: 'ed25519', hash: null }],
  [0x0808, { key: 'ed448', hash: null }],
  [0x0804, { key: 'rsa', hash: 'sha256' }],
  [0x0805, { key: 'rsa', hash: 'sha384' }],
  [0x0806, { key: 'rsa', hash: 'sha512' }],
]);

function fits(scheme: Scheme, key: KeyObject): boolean {
  if (key.asymmetricKeyType !== scheme.key) return false;
  return scheme.curve === undefined || key.asymmetricKeyDetails?.namedCurve === scheme.curve;
}

/** What node:crypto needs besides the key: RSA signs with PSS, its salt as long as the hash. */
function options(scheme: Scheme, key: KeyObject) {
  if (scheme.key !== 'rsa') return { key };
  return { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };
}

/** The numbers of the schemes that a private key can sign with; throws QUIC_INVALID if there are none. */
export function schemesOf(key: KeyObject): number[] {
  const schemes = [...SCHEMES].filter(([, scheme]) => fits(scheme, key)).map(([number]) => number);
  if (key.type !== 'private' || schemes.length === 0) {
    const curve = key.asymmetricKeyDetails?.namedCurve;
    const kind = `${key.asymmetricKeyType ?? key.type}${curve === undefined ? '' : ` (${curve})`}`;
    throw new QuicError('QUIC_INVALID', `TLS cannot sign with a key of type ${kind}`);
  }
  return schemes;
}

/** Signs a handshake. */
export function signHandshake(number: number, key: KeyObject, message: Uint8Array): Uint8Array {
  const scheme = SCHEMES.get(number);
  if (!scheme) throw new QuicError('QUIC_INVALID', `unknown signature scheme ${number}`);
  return sign(scheme.hash, message, options(scheme, key));
}

/** Whether a certificate's key signed a handshake. */
export function verifyHandshake(
  number: number,
  key: KeyObject,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  const scheme = SCHEMES.get(number);
  if (!scheme) return false;
  return fits(scheme, key) && verify(scheme.hash, message, options(scheme, key), signature);
}
