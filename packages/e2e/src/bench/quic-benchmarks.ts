import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Benchmark } from './benchmark.js';

/** A QUIC stream at one size of packets, or node:tls. */
export type Bulk = '1200' | '65471' | 'tls';

const SCRIPT = fileURLToPath(new URL('../../../quic/bench/throughput.mjs', import.meta.url));

/** 100 MB through one stream, both ends in one process of their own. */
export const quicBulk = (size: Bulk): Benchmark<Bulk> => ({
  figures: [
    { name: `packets of ${size}, MB/s`, target: { ratioAtLeast: size === '65471' ? 0.33 : 0.1 } },
    { name: `packets of ${size}, ms of CPU per MB` },
  ],
  rounds: 3,
  measure: async (subject) => {
    const { stdout } = await promisify(execFile)(process.execPath, [SCRIPT, '100', subject]);
    const { rate, cost } = JSON.parse(stdout) as { rate: number; cost: number };
    return [rate, cost];
  },
});
