import { createCipheriv, createDecipheriv } from 'node:crypto';

/** How packets are protected; sizes in bytes. */
const AEAD = 'chacha20-poly1305';
const KEY = 32;
const NONCE = 12;
const TAG = 16;

/** A call of the module about one packet: where things are in its memory. 1 if it went well. */
type Protect = (
  key: number,
  nonce: number,
  header: number,
  headerLength: number,
  payload: number,
  length: number,
  tag: number,
) => number;

/** Encrypts and decrypts large packets in place; see crate/src/aead.rs. Never throws. */
export function packetProtection(memory: () => Uint8Array): { seal: Protect; unseal: Protect } {
  return {
    seal: (key, nonce, header, headerLength, payload, length, tag) =>
      attempt(() => {
        const bytes = memory();
        const at = (start: number, size: number) => bytes.subarray(start, start + size);
        const cipher = createCipheriv(AEAD, at(key, KEY), at(nonce, NONCE), { authTagLength: TAG });
        cipher.setAAD(at(header, headerLength), { plaintextLength: length });
        bytes.set(cipher.update(at(payload, length)), payload);
        cipher.final();
        bytes.set(cipher.getAuthTag(), tag);
      }),
    unseal: (key, nonce, header, headerLength, payload, length, tag) =>
      attempt(() => {
        const bytes = memory();
        const at = (start: number, size: number) => bytes.subarray(start, start + size);
        const decipher = createDecipheriv(AEAD, at(key, KEY), at(nonce, NONCE), { authTagLength: TAG });
        decipher.setAAD(at(header, headerLength), { plaintextLength: length });
        decipher.setAuthTag(at(tag, TAG));
        const plain = decipher.update(at(payload, length));
        decipher.final();
        bytes.set(plain, payload);
      }),
  };
}

function attempt(work: () => void): number {
  try {
    work();
    return 1;
  } catch {
    return 0;
  }
}
