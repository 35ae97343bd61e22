import { randomFillSync } from 'node:crypto';
import type { Memory } from './webassembly.js';

const SUCCESS = 0;

/**
 * The few calls of WASI that the module makes: random bytes, an origin of time, the last words of a panic.
 * @param say gets what the module writes to its standard error
 */
export function wasi(memory: () => Memory, say: (text: string) => void) {
  const view = () => new DataView(memory().buffer);
  return {
    random_get: (at: number, length: number): number => {
      randomFillSync(new Uint8Array(memory().buffer), at, length);
      return SUCCESS;
    },
    clock_time_get: (_clock: number, _precision: bigint, at: number): number => {
      view().setBigUint64(at, 0n, true);
      return SUCCESS;
    },
    environ_get: (): number => SUCCESS,
    environ_sizes_get: (count: number, size: number): number => {
      view().setUint32(count, 0, true);
      view().setUint32(size, 0, true);
      return SUCCESS;
    },
    fd_write: (_fd: number, vectors: number, count: number, written: number): number => {
      let total = 0;
      for (let index = 0; index < count; index++) {
        const at = view().getUint32(vectors + 8 * index, true);
        const length = view().getUint32(vectors + 8 * index + 4, true);
        say(Buffer.from(memory().buffer, at, length).toString());
        total += length;
      }
      view().setUint32(written, total, true);
      return SUCCESS;
    },
    proc_exit: (code: number): never => {
      throw new Error(`the module exited with ${code}`);
    },
  };
}
