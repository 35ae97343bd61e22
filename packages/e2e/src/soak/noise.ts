import { createCipheriv, createHash } from 'node:crypto';

const PIECE = 1 << 20;
const ZEROS = Buffer.alloc(PIECE);

/** Bytes that a name stands for: the same each time, and different everywhere, so that none can be lost, doubled or moved unnoticed. */
export function* noise(name: string, size: number): Generator<Buffer> {
  const seed = createHash('sha256').update(name).digest();
  const cipher = createCipheriv('aes-128-ctr', seed.subarray(0, 16), seed.subarray(16));
  for (let left = size; left > 0; left -= PIECE) yield cipher.update(ZEROS.subarray(0, left));
}

/** What tells some bytes from others. */
export interface Digest {
  sha256: string;
  size: number;
}

/** The SHA-256 of what comes, and how much that is. */
export async function digest(bytes: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<Digest> {
  const hash = createHash('sha256');
  let size = 0;
  for await (const chunk of bytes) {
    hash.update(chunk);
    size += chunk.length;
  }
  return { sha256: hash.digest('hex'), size };
}
