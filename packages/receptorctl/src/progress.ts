import type { Writable } from 'node:stream';

/** Milliseconds between two drawings. */
const INTERVAL = 100;
const BAR_WIDTH = 30;
const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

function size(bytes: number): string {
  const power = Math.min(UNITS.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10));
  const value = bytes / 1024 ** power;
  return `${power === 0 ? value : value.toFixed(1)} ${UNITS[power]}`;
}

/** How far `done` of `total` bytes is, in one line; without a total, how much there was. */
function progressLine(done: number, total: number | undefined): string {
  if (!total) return `Sending payload: ${size(done)}`;
  // A file may grow while it is read.
  const share = Math.min(1, done / total);
  const bar = '#'.repeat(Math.floor(share * BAR_WIDTH)).padEnd(BAR_WIDTH, '.');
  return `Sending payload: [${bar}] ${Math.floor(share * 100)} % of ${size(total)}`;
}

/** A line on a terminal that is drawn again and again, and gone in the end. */
export class Progress {
  readonly #terminal: Writable & { columns?: number };
  readonly #total: number | undefined;
  /** When it was drawn; undefined while it is not there. */
  #drawn: number | undefined;

  constructor(terminal: Writable & { columns?: number }, total: number | undefined) {
    this.#terminal = terminal;
    this.#total = total;
  }

  /** Shows how many bytes are on their way, unless that was shown a moment ago. */
  show(done: number): void {
    const now = performance.now();
    if (this.#drawn !== undefined && now - this.#drawn < INTERVAL) return;
    this.#drawn = now;
    const line = progressLine(done, this.#total).slice(0, (this.#terminal.columns ?? 80) - 1);
    this.#terminal.write(`\r${line}\u001b[K`);
  }

  /** Removes the line. */
  clear(): void {
    if (this.#drawn !== undefined) this.#terminal.write('\r\u001b[K');
    this.#drawn = undefined;
  }
}
