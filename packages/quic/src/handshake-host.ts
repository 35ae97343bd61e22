import type { KeyObject, X509Certificate } from 'node:crypto';
import { Certificates } from './certificates.js';
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
  const certificates = new Certificates();
  return {
    verify_chain: (id: number, at: number, length: number): number => {
      const judge = judges.get(id);
      if (!judge) return CERTIFICATE_ALERTS.certificate_unknown;
      try {
        judge.verify(parseList(slice(at, length)).map((der) => certificates.read(der)));
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
        const valid = verifyHandshake(
          scheme,
          certificates.read(slice(certificate, certificateLength)).publicKey,
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
