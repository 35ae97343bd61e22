import { createHash } from 'node:crypto';
import { MeshError } from '../errors.js';

/**
 * Reads fingerprints of certificates: SHA-256 or SHA-512 in hex, with colons or without.
 * @throws MeshError `RECEPTOR_MESH_OPTIONS` in the words of the Go daemon
 */
export function parseFingerprints(texts: readonly string[]): Buffer[] {
  return texts.map((text) => {
    const hex = text.replaceAll(':', '');
    if (!/^(?:[\da-f]{2})*$/i.test(hex))
      throw new MeshError('RECEPTOR_MESH_OPTIONS', 'error decoding fingerprints: error decoding fingerprint');
    const bytes = Buffer.from(hex, 'hex');
    if (bytes.length !== 32 && bytes.length !== 64)
      throw new MeshError(
        'RECEPTOR_MESH_OPTIONS',
        'error decoding fingerprints: fingerprints must be 32 or 64 bytes for sha256 or sha512',
      );
    return bytes;
  });
}

/** Whether a certificate is one of those that are pinned; so is every one when none is. */
export function isPinned(certificate: Buffer, pins: readonly Buffer[]): boolean {
  if (pins.length === 0) return true;
  return pins.some((pin) =>
    createHash(pin.length === 32 ? 'sha256' : 'sha512')
      .update(certificate)
      .digest()
      .equals(pin),
  );
}
