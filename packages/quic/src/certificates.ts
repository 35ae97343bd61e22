import { X509Certificate } from 'node:crypto';
import { CertificateRefused } from './errors.js';

/** Certificates that are remembered, the last ones used. */
const LIMIT = 100;

/** Reads certificates; those that are shown again and again are read once, as reading one takes as long as half a handshake's secrets. */
export class Certificates {
  readonly #known = new Map<string, X509Certificate>();

  /** @throws CertificateRefused when it cannot be read */
  read(der: Uint8Array): X509Certificate {
    const key = Buffer.from(der.buffer, der.byteOffset, der.length).toString('latin1');
    const certificate = this.#known.get(key) ?? parse(der);
    this.#known.delete(key);
    this.#known.set(key, certificate);
    if (this.#known.size > LIMIT) {
      for (const oldest of this.#known.keys()) {
        this.#known.delete(oldest);
        break;
      }
    }
    return certificate;
  }
}

function parse(der: Uint8Array): X509Certificate {
  try {
    return new X509Certificate(der);
  } catch (cause) {
    throw new CertificateRefused('x509: malformed certificate', 'bad_certificate', { cause });
  }
}
