import type { Benchmark } from './benchmark.js';
import { BULK_BYTES } from './daemon-benchmarks.js';
import { type Mesh, meshNodeId } from './mesh-nodes.js';
import { readResults, releaseAll, submit } from './raw-client.js';

const LANES = 16;
const PATIENCE_SECONDS = 120;
const MEBIBYTE = 1 << 20;

const socketOf = ({ nodes }: Mesh): string => {
  const [first] = nodes;
  if (!first) throw new Error('a mesh without nodes');
  return first.socket;
};

/** Has a unit done by another node, and reads its results here to their end. */
async function runUnit(
  socket: string,
  hops: number,
  workType: string,
  payload: Buffer | number,
): Promise<number> {
  const id = await submit(socket, workType, payload, meshNodeId(hops));
  const { bytes, whole } = await readResults(socket, id, PATIENCE_SECONDS);
  if (!whole) throw new Error(`unit ${id} has not ended within ${PATIENCE_SECONDS} s`);
  await releaseAll(socket, [id]);
  return bytes;
}

/** A short unit, from its submit until its results are read. */
export const remoteUnit: Benchmark<Mesh> = {
  figures: [{ name: 'remote unit, submit to results, ms', target: { ratioAtMost: 0.1 } }],
  rounds: 5,
  measure: async (mesh) => {
    const socket = socketOf(mesh);
    const since = performance.now();
    const id = await submit(socket, 'cat', Buffer.from('hello\n'), meshNodeId(1));
    const { bytes } = await readResults(socket, id, PATIENCE_SECONDS);
    const took = performance.now() - since;
    if (bytes !== 6) throw new Error(`${bytes} bytes instead of 6`);
    await releaseAll(socket, [id]);
    return [took];
  },
};

/** Short units, with so many under way at any time. */
export const remoteUnits: Benchmark<Mesh> = {
  figures: [{ name: `remote units / s, ${LANES} at a time`, target: { ratioAtLeast: 5 } }],
  rounds: 3,
  measure: async (mesh) => {
    const socket = socketOf(mesh);
    let left = 2 * LANES;
    const lane = async () => {
      while (left-- > 0) await runUnit(socket, 1, 'cat', Buffer.from('hello\n'));
    };
    const since = performance.now();
    await Promise.all(Array.from({ length: LANES }, lane));
    return [(2 * LANES * 1000) / (performance.now() - since)];
  },
};

/** A unit's large output, from the submit until it is read here. */
export function remoteResults(hops: number, target: number): Benchmark<Mesh> {
  return {
    figures: [
      {
        name: `remote results over ${hops} hop${hops > 1 ? 's' : ''}, MiB/s`,
        target: { ratioAtLeast: target },
      },
    ],
    rounds: 5,
    measure: async (mesh) => {
      const since = performance.now();
      const bytes = await runUnit(socketOf(mesh), hops, 'bulk', 0);
      if (bytes !== BULK_BYTES) throw new Error(`${bytes} bytes instead of ${BULK_BYTES}`);
      return [((bytes / MEBIBYTE) * 1000) / (performance.now() - since)];
    },
  };
}

/** A large payload, until the unit that has counted it is complete here. */
export function remotePayload(hops: number, target: number): Benchmark<Mesh> {
  return {
    figures: [
      {
        name: `remote payload over ${hops} hop${hops > 1 ? 's' : ''}, MiB/s`,
        target: { ratioAtLeast: target },
      },
    ],
    rounds: 5,
    measure: async (mesh) => {
      const since = performance.now();
      await runUnit(socketOf(mesh), hops, 'count', BULK_BYTES);
      return [((BULK_BYTES / MEBIBYTE) * 1000) / (performance.now() - since)];
    },
  };
}
