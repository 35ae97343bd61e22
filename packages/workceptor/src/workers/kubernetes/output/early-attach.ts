/** Bytes kept, at most. */
const LIMIT = 8 << 20;

/**
 * What attach connections brought that ended before anything was known of the log. The log has it too, and is to bring it;
 * if it may not be read, this is all there is of the output's beginning.
 */
export class EarlyAttach {
  private chunks: Buffer[] = [];
  private size = 0;

  keep(chunks: readonly Buffer[]): void {
    for (const chunk of chunks) {
      this.size += chunk.length;
      if (this.size > LIMIT) return;
      this.chunks.push(chunk);
    }
  }

  take(): Buffer[] {
    const { chunks } = this;
    this.chunks = [];
    return chunks;
  }
}
