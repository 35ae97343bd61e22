/** No object that is watched here is near this. */
const LINE_LIMIT = 16 << 20;

/** The lines of a byte stream, without their ends. @throws Error when one is too long, or as the stream does. */
export async function* lines(stream: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let parts: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream) {
    let from = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, from)) {
      parts.push(chunk.subarray(from, end));
      yield Buffer.concat(parts).toString();
      parts = [];
      size = 0;
      from = end + 1;
    }
    parts.push(chunk.subarray(from));
    size += chunk.length - from;
    if (size > LINE_LIMIT) throw new Error('a line is too long');
  }
  if (size > 0) yield Buffer.concat(parts).toString();
}
