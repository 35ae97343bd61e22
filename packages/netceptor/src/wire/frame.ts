import { MAX_MESSAGE, malformed } from './message.js';

/** The length that stands before a message on a byte stream: 2 bytes, little-endian (reference: mesh, 1.1). */
export const FRAME_HEADER = 2;

/**
 * One frame: length and message.
 * @throws MeshError `RECEPTOR_MESH_MESSAGE` when the message is empty (which would end a Go node) or over 65535 bytes
 */
export function encodeFrame(message: Uint8Array): Buffer {
  if (message.length === 0 || message.length > MAX_MESSAGE)
    throw malformed(`a message of ${message.length} bytes does not fit into a frame`);
  const frame = Buffer.allocUnsafe(FRAME_HEADER + message.length);
  frame.writeUInt16LE(message.length);
  frame.set(message, FRAME_HEADER);
  return frame;
}

/**
 * Cuts a byte stream into messages. What lies whole in a chunk is handed out as a view of it; only a message that spans
 * chunks is copied, so that at most one message is ever held.
 */
export class FrameDecoder {
  #partial: Buffer | undefined;
  #filled = 0;
  #firstByte: number | undefined;

  /** Hands every message that this chunk completes to `deliver`; empty ones too, because they mean something is wrong. */
  push(chunk: Buffer, deliver: (message: Buffer) => void): void {
    let offset = this.#finishPartial(chunk, deliver);
    while (chunk.length - offset >= FRAME_HEADER) {
      const start = offset + FRAME_HEADER;
      const length = chunk.readUInt16LE(offset);
      if (chunk.length - start < length) {
        this.#begin(length);
        this.#fill(chunk, start);
        return;
      }
      offset = start + length;
      deliver(chunk.subarray(start, offset));
    }
    if (offset < chunk.length) this.#firstByte = chunk[offset];
  }

  /** Continues what an earlier chunk began; returns where the rest of this one starts. */
  #finishPartial(chunk: Buffer, deliver: (message: Buffer) => void): number {
    let offset = 0;
    if (this.#firstByte !== undefined) {
      if (chunk.length === 0) return 0;
      const length = this.#firstByte + chunk.readUInt8(0) * 256;
      this.#firstByte = undefined;
      this.#begin(length);
      offset = 1;
    }
    if (!this.#partial) return offset;
    offset = this.#fill(chunk, offset);
    if (this.#filled < this.#partial.length) return offset;
    const message = this.#partial;
    this.#partial = undefined;
    deliver(message);
    return offset;
  }

  #begin(length: number): void {
    this.#partial = Buffer.allocUnsafe(length);
    this.#filled = 0;
  }

  #fill(chunk: Buffer, from: number): number {
    const partial = this.#partial;
    if (!partial) return from;
    const copied = chunk.copy(partial, this.#filled, from);
    this.#filled += copied;
    return from + copied;
  }
}
