import { type KeyObject, X509Certificate } from 'node:crypto';
import { CERTIFICATE_ALERTS, CertificateRefused } from './errors.js';
import { parseList } from './lists.js';
import { signHandshake, verifyHandshake } from './signatures.js';

/** What is asked of a connection in the midst of its handshake. */
export interface Judge {
  /** Throws to refuse the peer's chain. */
  verify(chain: X509Certificate[]): void;
  /** Takes note of why the chain was refused. */
  refused(error: Error): void;
}

/** What the callbacks of a handshake need. */
export interface HandshakeContext {
  /** The module's memory. */
  readonly memory: () => Uint8Array;
  readonly judges: ReadonlyMap<number, Judge>;
  readonly keys: ReadonlyMap<number, KeyObject>;
}

/** What the module calls in the midst of a handshake; see crate/src/tls.rs. Nothing throws: that would leave it half way. */
export function handshakeHost({ memory, judges, keys }: HandshakeContext) {
  const slice = (start: number, length: number) => Buffer.from(memory().subarray(start, start + length));
  /** The certificate that was verified last. */
  let leaf: X509Certificate | undefined;
  return {
    verify_chain: (id: number, at: number, length: number): number => {
      const judge = judges.get(id);
      if (!judge) return CERTIFICATE_ALERTS.certificate_unknown;
      try {
        const chain = parseChain(slice(at, length));
        leaf = chain[0];
        judge.verify(chain);
        return 0;
      } catch (error) {
        judge.refused(error instanceof Error ? error : new Error(String(error)));
        return CERTIFICATE_ALERTS[error instanceof CertificateRefused ? error.alert : 'bad_certificate'];
      }
    },
    verify_signature: (
      scheme: number,
      certificate: number,
      certificateLength: number,
      message: number,
      messageLength: number,
      signature: number,
      signatureLength: number,
    ): number => {
      try {
        // It follows upon the certificate's own verification.
        const shown = slice(certificate, certificateLength);
        const known = leaf?.raw.equals(shown) ? leaf : new X509Certificate(shown);
        leaf = undefined;
        const valid = verifyHandshake(
          scheme,
          known.publicKey,
          slice(message, messageLength),
          slice(signature, signatureLength),
        );
        return valid ? 1 : 0;
      } catch {
        return 0;
      }
    },
    sign: (
      number: number,
      scheme: number,
      message: number,
      length: number,
      at: number,
      capacity: number,
    ): number => {
      try {
        const key = keys.get(number);
        if (!key) return -1;
        const signature = signHandshake(scheme, key, slice(message, length));
        if (signature.length > capacity) return -1;
        memory().set(signature, at);
        return signature.length;
      } catch {
        return -1;
      }
    },
  };
}

/** Takes apart a chain of certificates, each after its length. */
function parseChain(bytes: Buffer): X509Certificate[] {
  return parseList(bytes).map((certificate) => {
    try {
      return new X509Certificate(certificate);
    } catch (cause) {
      throw new CertificateRefused('x509: malformed certificate', 'bad_certificate', { cause });
    }
  });
}
