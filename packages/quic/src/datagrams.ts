/**
 * Cuts a batch into datagrams, all of one size but the last, each after `headroom` free bytes, in a buffer of their own.
 * @param segment bytes of a datagram
 */
export function cutIntoDatagrams(batch: Uint8Array, segment: number, headroom: number): Buffer[] {
  const count = Math.ceil(batch.length / segment);
  const buffer = Buffer.allocUnsafe(batch.length + count * headroom);
  const datagrams: Buffer[] = [];
  let at = 0;
  for (let from = 0; from < batch.length; from += segment) {
    const part = batch.subarray(from, from + segment);
    buffer.set(part, at + headroom);
    datagrams.push(buffer.subarray(at, at + headroom + part.length));
    at += headroom + part.length;
  }
  return datagrams;
}
