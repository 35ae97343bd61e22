import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { QuicError } from './errors.js';
import { schemesOf } from './signatures.js';

/** A certificate and its private key. */
export interface QuicIdentity {
  /** The certificate in DER, then those that lead from it to its root. */
  readonly chain: readonly Uint8Array[];
  /** Its private key: RSA, ECDSA with P-256, P-384 or P-521, Ed25519 or Ed448. It never leaves node:crypto. */
  readonly key: KeyObject;
}

/**
 * Reads an identity from PEM texts. Throws QUIC_INVALID if there is no certificate, if the key cannot be read or
 * cannot sign in TLS 1.3, or if it is not that of the first certificate.
 */
export function identityFromPem(certificates: string, key: string, passphrase?: string): QuicIdentity {
  const blocks = certificates.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length === 0) throw new QuicError('QUIC_INVALID', 'there is no certificate in the PEM text');
  let identity: QuicIdentity;
  try {
    identity = {
      chain: blocks.map((block) => new X509Certificate(block).raw),
      key: createPrivateKey(passphrase === undefined ? key : { key, passphrase }),
    };
  } catch (cause) {
    throw new QuicError(
      'QUIC_INVALID',
      `the certificate or its key cannot be read: ${(cause as Error).message}`,
      {
        cause,
      },
    );
  }
  checkIdentity(identity);
  return identity;
}

/** Identities that were found to be usable. */
const checked = new WeakSet<QuicIdentity>();

/** Throws QUIC_INVALID if the identity cannot be used. */
function checkIdentity(identity: QuicIdentity): void {
  if (checked.has(identity)) return;
  const [first] = identity.chain;
  if (!first) throw new QuicError('QUIC_INVALID', 'an identity needs a certificate');
  schemesOf(identity.key);
  let own: boolean;
  try {
    own = new X509Certificate(first).checkPrivateKey(identity.key);
  } catch (cause) {
    throw new QuicError('QUIC_INVALID', `the certificate cannot be read: ${(cause as Error).message}`, {
      cause,
    });
  }
  if (!own) throw new QuicError('QUIC_INVALID', 'the private key is not that of the certificate');
  checked.add(identity);
}

/** How a connection carries data; all have defaults that suit a peer of either kind. */
export interface TransportOptions {
  /** Milliseconds without a word from the peer after which the connection is lost; 0 for never. Default 30,000. */
  idleTimeout?: number;
  /** Milliseconds of silence after which the peer is asked for a sign of life; 0 for never. Default 15,000 for who connects, 0 for who listens. */
  keepAlive?: number;
  /** Milliseconds that a handshake may take. Default 15,000. */
  handshakeTimeout?: number;
  /** Round trip in milliseconds that is assumed before one was measured. Default 100. */
  initialRtt?: number;
  /** Bytes that the peer may send on one stream ahead of what was read. Default 6 MiB. */
  streamWindow?: number;
  /** Bytes that the peer may send on all streams ahead of what was read. Default 15 MiB. */
  connectionWindow?: number;
  /** Bytes that are kept until the peer has acknowledged them, for all streams; more are not taken. Default 8 MiB. */
  sendWindow?: number;
  /** Streams that the peer may have open at once. Default 100. */
  maxStreams?: number;
  /** Bytes that may be under way before the path is known. Default 128 KiB. */
  initialWindow?: number;
}

/** Options of the transport with their defaults filled in. */
export type Transport = Required<TransportOptions>;

const DEFAULTS: Transport = {
  idleTimeout: 30_000,
  keepAlive: 0,
  handshakeTimeout: 15_000,
  initialRtt: 100,
  streamWindow: 6 << 20,
  connectionWindow: 15 << 20,
  sendWindow: 8 << 20,
  maxStreams: 100,
  initialWindow: 128 << 10,
};

/** Fills in the defaults; throws QUIC_INVALID for a number that is none or out of range. */
export function transportOf(options: TransportOptions, keepAlive: number): Transport {
  const transport = { ...DEFAULTS, keepAlive };
  for (const name of Object.keys(DEFAULTS) as (keyof Transport)[]) {
    const value = options[name] ?? transport[name];
    if (!Number.isInteger(value) || value < 0 || value > 0x7fff_ffff) {
      throw new QuicError('QUIC_INVALID', `${name} must be a whole number of 0 to 2147483647, not ${value}`);
    }
    transport[name] = value;
  }
  return transport;
}

/** Writes settings as the engine reads them: words, and byte strings after their length. See crate/src/settings.rs. */
export class SettingsWriter {
  readonly #parts: Uint8Array[] = [];

  word(value: number): this {
    const word = new Uint8Array(4);
    new DataView(word.buffer).setUint32(0, value, true);
    this.#parts.push(word);
    return this;
  }

  bytes(bytes: Uint8Array): this {
    this.word(bytes.length);
    this.#parts.push(bytes);
    return this;
  }

  text(text: string): this {
    return this.bytes(Buffer.from(text));
  }

  list(list: readonly Uint8Array[]): this {
    this.word(list.length);
    for (const bytes of list) this.bytes(bytes);
    return this;
  }

  transport(transport: Transport, maxDatagramSize: number): this {
    return this.word(transport.idleTimeout)
      .word(transport.keepAlive)
      .word(transport.initialRtt)
      .word(maxDatagramSize)
      .word(transport.streamWindow)
      .word(transport.connectionWindow)
      .word(transport.sendWindow)
      .word(transport.maxStreams)
      .word(transport.initialWindow)
      .word(0);
  }

  protocols(protocols: readonly string[]): this {
    if (protocols.length === 0 || protocols.some((name) => name === '' || Buffer.byteLength(name) > 255)) {
      throw new QuicError('QUIC_INVALID', 'a protocol (ALPN) of 1 to 255 bytes is needed');
    }
    return this.list(protocols.map((name) => Buffer.from(name)));
  }

  /** An identity, under the number by which the engine asks for its key. */
  identity(number: number, identity: QuicIdentity | undefined): this {
    if (!identity) return this.word(0).word(0).word(0);
    checkIdentity(identity);
    const schemes = schemesOf(identity.key);
    this.word(number).word(schemes.length);
    for (const scheme of schemes) this.word(scheme);
    return this.list(identity.chain);
  }

  finish(): Uint8Array {
    return Buffer.concat(this.#parts);
  }
}
