/** Takes apart a list of byte strings, each after its length. */
export function parseList(bytes: Buffer): Buffer[] {
  const list: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + 4 + bytes.readUInt32LE(at);
    list.push(bytes.subarray(at + 4, end));
    at = end;
  }
  return list;
}
