import { setTimeout as delay } from 'node:timers/promises';
import type { Program } from '../index.js';
import type { Benchmark } from './benchmark.js';
import { FINISHED_UNIT, gibibyteRate } from './daemon-benchmarks.js';
import { type Mesh, meshNodeId, startMesh } from './mesh-nodes.js';
import { cpuSeconds } from './process-usage.js';
import { RawClient } from './raw-client.js';
import type { TlsChain } from './tls-chain.js';

/** Four nodes in a line, so that the last is three links from the first. */
export const LINE_NODES = 4;
const LAST = LINE_NODES - 1;
const MIDDLE = 1;
/** After so long all is over that a start brings about, such as the last collection of what it left. */
const REST_SECONDS = 30;
const IDLE_SECONDS = 60;
const LIMIT_SECONDS = 3;
const PINGS = 2000;
const CONNECTS = 300;

/** A line of nodes, where every one dials the one before it. */
export const startLine = (program: Program): Promise<Mesh> =>
  startMesh(program, LINE_NODES, (node) => node - 1);

/** Has to be the first with a mesh: what came before would have to be cleaned up meanwhile. */
export const idleCpu: Benchmark<Mesh> = {
  figures: [{ name: 'idle CPU a node, ms/s', target: { ratioAtMost: 1 } }],
  rounds: 1,
  measure: async ({ nodes }) => {
    const total = () => nodes.reduce((sum, { pid }) => sum + cpuSeconds(pid), 0);
    await delay(REST_SECONDS * 1000);
    const before = total();
    await delay(IDLE_SECONDS * 1000);
    return [((total() - before) * 1000) / IDLE_SECONDS / nodes.length];
  },
};

/** The results of a finished unit through the first node's `connect` to the control service of another. */
export function bulk(hops: number, target: number): Benchmark<Mesh> {
  const through = hops > MIDDLE;
  return {
    figures: [
      { name: `bulk over ${hops} hop${through ? 's' : ''}, MiB/s`, target: { ratioAtLeast: target } },
      // What else the machine does strikes it less.
      { name: 'both ends, MiB / CPU s' },
      ...(through ? [{ name: 'middle node, MiB / CPU s', target: { ratioAtLeast: 2 } }] : []),
    ],
    rounds: 3,
    measure: async ({ nodes }) => {
      const { socket } = at(nodes, 0);
      const used = () => [
        cpuSeconds(at(nodes, 0).pid) + cpuSeconds(at(nodes, hops).pid),
        cpuSeconds(at(nodes, MIDDLE).pid),
      ];
      const before = used();
      const { rate, mebibytes } = await gibibyteRate(socket, FINISHED_UNIT, meshNodeId(hops));
      const [ends, middle] = used().map((seconds, i) => mebibytes / (seconds - at(before, i)));
      return through ? [rate, ends ?? 0, middle ?? 0] : [rate, ends ?? 0];
    },
  };
}

/** The control command `ping`, as a client sees it. */
export const pings: Benchmark<Mesh> = {
  figures: [
    { name: `ping over ${LAST} hops, p50, ms`, target: { ratioAtMost: 1 } },
    { name: `ping over ${LAST} hops, p99, ms`, target: { ratioAtMost: 1 } },
  ],
  rounds: 5,
  measure: async ({ nodes }) => {
    const client = await RawClient.open(at(nodes, 0).socket);
    const times = await timesOf(PINGS, async () => {
      const reply = await client.command(`ping ${meshNodeId(LAST)}`);
      if (!reply.includes('"Success":true')) throw new Error(reply);
    });
    client.close();
    return [percentile(times, 50), percentile(times, 99)];
  },
};

/** From the start of a control session until the control service of another node greets through it. */
export const connects: Benchmark<Mesh> = {
  figures: [
    { name: `connect over ${LAST} hops, p50, ms`, target: { ratioAtMost: 1 } },
    { name: `connect over ${LAST} hops, p99, ms`, target: { ratioAtMost: 1 } },
  ],
  rounds: 5,
  measure: async ({ nodes }) => {
    const times = await timesOf(CONNECTS, async () => {
      const client = await RawClient.open(at(nodes, 0).socket);
      const first = await client.command(`connect ${meshNodeId(LAST)} control`);
      if (first !== 'Connecting') throw new Error(first);
      const greeting = await client.line();
      if (!greeting.endsWith(`node ${meshNodeId(LAST)}`)) throw new Error(greeting);
      client.close();
    });
    return [percentile(times, 50), percentile(times, 99)];
  },
};

/** The same bytes through a chain of node:tls; what is compared with it is a mesh. */
export function bulkAgainstLimit(hops: number): Benchmark<Mesh | TlsChain> {
  return {
    figures: [
      { name: `bulk over ${hops} hop${hops > 1 ? 's' : ''}, MiB/s`, target: { ratioAtLeast: 1 / 3 } },
    ],
    rounds: 3,
    measure: async (subject) => {
      if ('rate' in subject) return [await subject.rate(LIMIT_SECONDS)];
      const { rate } = await gibibyteRate(at(subject.nodes, 0).socket, FINISHED_UNIT, meshNodeId(hops));
      return [rate];
    },
  };
}

/** Processes that are started at once as a tree. */
export const startTogether = (count: number): Benchmark<Program> => ({
  figures: [
    { name: `${count} processes know all routes, ms`, target: { ratioAtMost: 1 / 3 } },
    { name: 'CPU of each until then, ms' },
  ],
  rounds: count > 10 ? 1 : 3,
  measure: async (program) => {
    const mesh = await startMesh(program, count, (node) => (node - 1) >> 1);
    const used = mesh.nodes.reduce((sum, { pid }) => sum + cpuSeconds(pid), 0);
    await mesh.end();
    return [mesh.settled, (used * 1000) / count];
  },
});

/** A node that others dial is killed and starts again. */
export const restart: Benchmark<Mesh> = {
  figures: [{ name: 'a restarted node is reached by all, ms', target: { ratioAtMost: 1 / 5 } }],
  rounds: 3,
  measure: async (mesh) => [await mesh.restart(MIDDLE)],
};

/** Milliseconds that each of so many calls took, after a few that do not count. */
async function timesOf(count: number, call: () => Promise<void>): Promise<number[]> {
  for (let i = 0; i < count / 10; i += 1) await call();
  const times: number[] = [];
  for (let i = 0; i < count; i += 1) {
    const since = performance.now();
    await call();
    times.push(performance.now() - since);
  }
  return times;
}

function percentile(values: readonly number[], percent: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.ceil((sorted.length * percent) / 100) - 1] ?? Number.NaN;
}

function at<T>(items: readonly T[], index: number): T {
  const item = items[index];
  if (item === undefined) throw new Error(`there is no node ${index}`);
  return item;
}
