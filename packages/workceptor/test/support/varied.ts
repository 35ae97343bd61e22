/** Numbers that look random and are the same each time. */
export function numbers(seed: number): () => number {
  let state = seed >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state / 4294967296;
  };
}

/**
 * Output of everything that a container may write: empty lines, equal lines, lines of 1 byte to 256 KiB where there is
 * room, binary bytes, no newline at the end.
 * @param crlf whether some lines end with a carriage return as well
 */
export function varied(size: number, { crlf = false, seed = 1 } = {}): Buffer {
  const random = numbers(seed);
  const out = Buffer.alloc(size);
  let at = 0;
  const put = (bytes: Buffer) => {
    at += bytes.copy(out, at);
  };
  for (let line = 0; at < size; line++) {
    const kind = Math.floor(random() * 12);
    if (kind === 1) put(Buffer.from('tick'));
    else if (kind === 2) put(Buffer.from('x'));
    else if (kind === 3) put(Buffer.alloc(Math.floor(random() * 3_000), 'y'));
    else if (kind < 6) {
      const bytes = Buffer.alloc(Math.floor(random() * 400));
      for (let i = 0; i < bytes.length; i++) bytes[i] = Math.floor(random() * 256);
      put(crlf ? bytes : (bytes.map((byte) => (byte === 13 ? 14 : byte)) as Buffer));
    } else if (kind === 6 && random() < 0.02 && size > 4 << 20) {
      put(Buffer.alloc(1 + Math.floor(random() * (256 << 10)), `${line} `));
    } else if (kind > 6) put(Buffer.from(`line ${line} of what a program has to say`));
    put(Buffer.from(crlf && random() < 0.3 ? '\r\n' : '\n'));
  }
  out[size - 1] = 122;
  return out;
}
