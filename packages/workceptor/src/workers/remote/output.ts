import { type FileHandle, open, stat } from 'node:fs/promises';
import { errorCode } from '../../error-text.js';

/** The output of a remote unit as far as it has come: the size of the file is the position to go on from. */
export class Output {
  readonly #path: string;
  readonly #changed: () => void;
  #file: FileHandle | undefined;

  /** @param changed called when there is more of it */
  constructor(path: string, changed: () => void) {
    this.#path = path;
    this.#changed = changed;
  }

  /** Bytes that are there. */
  async size(): Promise<number> {
    try {
      return (await stat(this.#path)).size;
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return 0;
      throw error;
    }
  }

  /** Appends; what could not be written whole is not counted as there. */
  async append(bytes: Buffer): Promise<void> {
    this.#file ??= await open(this.#path, 'a', 0o600);
    for (let offset = 0; offset < bytes.length; )
      offset += (await this.#file.write(bytes, offset)).bytesWritten;
    this.#changed();
  }

  async close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
  }
}
