import { endWithUsage, readOptions } from '../developer-command.js';
import { MAX_HOPS } from '../packet/packet-layer.js';
import type { Random } from '../random.js';
import { drawGraph, GRAPHS, type GraphKind } from './graphs.js';
import { SimulatedMesh } from './mesh.js';
import { seededRandom } from './random.js';
import { Reference } from './reference.js';

/** `pnpm simulate --nodes 1000 --graph random`: what a mesh costs each of its nodes, by its size. */

const MINUTE = 60_000;
/** The quiet time that is measured: one period of updates stands for the six of a minute. */
const QUIET = MINUTE / 6;
/** Steps of virtual time between two looks at the tables. */
const STEP = 100;
/** Packets that are sent in each step while ways are looked for, when they could go in a circle. */
const PACKETS = 20;
/** Virtual time after which a mesh that has not found its ways has failed to. */
const PATIENCE = 2 * MINUTE;

interface Point {
  readonly nodes: number;
  readonly links: number;
  /** Virtual seconds until every table is right, all nodes starting at once. */
  readonly settled: number;
  /** The same after half of the nodes were cut off from the others without a word, and after the cut was mended. */
  readonly parted: number;
  readonly healed: number;
  /** Messages that a node sends until then. */
  readonly startMessages: number;
  /** Messages and bytes that a node sends in a minute when all is quiet. */
  readonly messages: number;
  readonly bytes: number;
  /** The links that one packet went over, of the packet that went over most. */
  readonly longest: number;
  /** Milliseconds of real time that one node needs for one quiet minute. */
  readonly cpu: number;
}

/** Tells on a terminal what is being done, in a line that the next one replaces. */
function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`);
}

/** Lets virtual time pass in steps, and tells how far it is. */
async function advance(mesh: SimulatedMesh, milliseconds: number, doing: string): Promise<void> {
  for (let left = milliseconds; left > 0; left -= STEP) {
    progress(`${doing}: ${(left / 1000).toFixed(1)} s of the mesh's time left`);
    await mesh.clock.advance(Math.min(STEP, left));
  }
}

/** Lets time pass until every table is right, with packets under way; returns the seconds. */
async function settle(mesh: SimulatedMesh, random: Random, doing: string): Promise<number> {
  const nodes = mesh.running.length;
  const reference = new Reference(mesh);
  const begun = mesh.clock.now();
  do {
    const passed = (mesh.clock.now() - begun) / 1000;
    if (passed * 1000 > PATIENCE)
      throw new Error(`the mesh did not settle: ${reference.wrongRoutes(3).join('; ')}`);
    progress(`${doing}: ${passed} s of the mesh's time`);
    for (let i = 0; i < PACKETS; i++) mesh.sendPacket(random(nodes), random(nodes));
    await mesh.clock.advance(STEP);
    if (mesh.traffic.longest > MAX_HOPS)
      throw new Error(`a packet went over ${mesh.traffic.longest} links, not ${MAX_HOPS} at most`);
  } while (reference.wrongRoutes(1).length > 0);
  return (mesh.clock.now() - begun) / 1000;
}

async function measure(kind: GraphKind, nodes: number, seed: number): Promise<Point> {
  const links = drawGraph(kind, nodes, seededRandom(seed));
  const mesh = new SimulatedMesh(links, seed);
  mesh.setQuality({ delay: 1 });
  for (let i = 0; i < nodes; i++) await mesh.start(i);
  const random = seededRandom(seed + 1);
  const settled = await settle(mesh, random, `${nodes} nodes find one another`);
  const startMessages = (mesh.traffic.messages - mesh.traffic.data) / nodes;
  await advance(mesh, MINUTE / 6, `${nodes} nodes come to rest`);
  const before = { ...mesh.traffic };
  const cpuBefore = process.cpuUsage();
  await advance(mesh, QUIET, `${nodes} nodes at rest`);
  const cpu = process.cpuUsage(cpuBefore);
  const after = { ...mesh.traffic };
  const wrong = new Reference(mesh).wrongRoutes(3);
  if (wrong.length > 0) throw new Error(`the mesh did not stay as it was: ${wrong.join('; ')}`);
  mesh.partition((node) => (node < nodes / 2 ? 0 : 1));
  const parted = await settle(mesh, random, `${nodes} nodes are cut in two`);
  mesh.partition(undefined);
  const healed = await settle(mesh, random, `${nodes} nodes come together again`);
  const perMinute = (count: number) => (count * MINUTE) / QUIET / nodes;
  const point = {
    nodes,
    links: links.length,
    settled,
    parted,
    healed,
    startMessages,
    messages: perMinute(after.messages - before.messages),
    bytes: perMinute(after.bytes - before.bytes),
    longest: mesh.traffic.longest,
    cpu: perMinute(cpu.user + cpu.system) / 1000,
  };
  progress(`${nodes} nodes stop`);
  await mesh.stopAll();
  progress('');
  return point;
}

const COLUMNS: readonly (readonly [string, (point: Point) => string])[] = [
  ['nodes', ({ nodes }) => String(nodes)],
  ['links', ({ links }) => String(links)],
  ['right after start', ({ settled }) => `${settled.toFixed(1)} s`],
  ['messages until then', ({ startMessages }) => startMessages.toFixed(0)],
  ['messages a minute', ({ messages }) => messages.toFixed(0)],
  ['kB a minute', ({ bytes }) => (bytes / 1000).toFixed(0)],
  ['CPU ms a minute', ({ cpu }) => cpu.toFixed(1)],
  ['right after a cut', ({ parted }) => `${parted.toFixed(1)} s`],
  ['and its end', ({ healed }) => `${healed.toFixed(1)} s`],
  ['links of a packet', ({ longest }) => String(longest)],
];

const USAGE = `usage: pnpm simulate [--nodes NUMBER] [--graph ${GRAPHS.join('|')}] [--seed NUMBER]

--nodes NUMBER   how many the largest mesh has; smaller ones come first (1000)
--graph KIND     how they are linked (random)
--seed NUMBER    the same draws the same mesh (1)`;

const values = readOptions(USAGE, { nodes: '1000', graph: 'random', seed: '1' });
const kind =
  GRAPHS.find((name) => name === values.graph) ?? endWithUsage(USAGE, `--graph: there is no ${values.graph}`);
const most = Number(values.nodes);
if (!Number.isInteger(most) || most < 2)
  endWithUsage(USAGE, `--nodes: ${values.nodes} is not a whole number from 2`);
const seed = Number(values.seed);
if (!Number.isInteger(seed)) endWithUsage(USAGE, `--seed: ${values.seed} is not a whole number`);
const sizes = [10, 30, 100, 300, 1000, 3000].filter((size) => size < most);
console.log(`${kind} graphs; all numbers are for one node\n`);
console.log(COLUMNS.map(([title]) => title).join(' | '));
for (const size of [...sizes, most]) {
  const point = await measure(kind, size, seed);
  console.log(COLUMNS.map(([title, text]) => text(point).padStart(title.length)).join(' | '));
}
