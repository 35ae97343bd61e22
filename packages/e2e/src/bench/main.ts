import {
  goReceptor,
  type Program,
  pythonReceptorctl,
  receptor,
  receptorctl,
  startDaemon,
  temporaryDirectory,
} from '../index.js';
import { type Benchmark, compare, formatHead, formatLine, isMet, type Line } from './benchmark.js';
import { call } from './command-line-benchmarks.js';
import * as daemon from './daemon-benchmarks.js';
import * as mesh from './mesh-benchmarks.js';
import type { Mesh } from './mesh-nodes.js';
import { podLog } from './pod-log-benchmark.js';
import { type Bulk, quicBulk } from './quic-benchmarks.js';
import * as remote from './remote-benchmarks.js';
import { type Side, withDaemons } from './side.js';
import { makeManyUnits, startWithArguments, startWithFile, startWithManyUnits } from './start-benchmarks.js';
import { startTlsChain, type TlsChain } from './tls-chain.js';

const NODE: Program = { command: process.execPath, prefix: [] };

/** Links from one end of the line of nodes to the other. */
const LONG = mesh.LINE_NODES - 1;

const GROUPS = ['start', 'daemon', 'command-line', 'pod-log', 'quic', 'mesh', 'remote'] as const;
const USAGE = `usage: pnpm bench [GROUP ...]

groups, all of them if none is named: ${GROUPS.join(' ')}
They compare with what RECEPTOR_GO, RECEPTORCTL_PYTHON and KUBECONFIG name.`;

const wanted = new Set(process.argv.slice(2));
const wants = (name: (typeof GROUPS)[number]) => wanted.size === 0 || wanted.has(name);
if (wanted.has('--help')) {
  console.log(USAGE);
  process.exit(0);
}
for (const name of wanted)
  if (!GROUPS.some((group) => group === name)) {
    console.error(`There is no group ${name}.\n\n${USAGE}`);
    process.exit(2);
  }
const all: Line[] = [];

function print(text: string): void {
  if (process.stderr.isTTY) process.stderr.write('\r\u001b[K');
  console.log(text);
}

function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`);
}

async function compareAll<Subject>(
  benchmarks: readonly Benchmark<Subject>[],
  ours: Subject,
  other: Subject | undefined,
): Promise<void> {
  for (const benchmark of benchmarks) {
    const lines = await compare(benchmark, ours, other, progress);
    all.push(...lines);
    for (const line of lines) print(formatLine(line));
  }
}

async function benchStart(): Promise<void> {
  print(`\n${formatHead('The start of the daemon', 'Go')}`);
  const data = await temporaryDirectory();
  try {
    await compareAll([startWithArguments, startWithFile], receptor, goReceptor);
    progress('making many units');
    await makeManyUnits(data.path);
    await compareAll([startWithManyUnits(data.path)], receptor, goReceptor);
  } finally {
    await data.remove();
  }
}

async function benchDaemon(): Promise<void> {
  print(`\n${formatHead('The daemon at work', 'Go')}`);
  const run = (benchmarks: readonly Benchmark<Side>[]) =>
    withDaemons([receptor, goReceptor], daemon.SECTIONS, daemon.makeFinishedUnit, (ours, other) =>
      compareAll(benchmarks, ours, other),
    );
  await run([daemon.idleMemory, daemon.unitMemory]);
  await run([
    daemon.statusRoundTrips,
    daemon.units(1, 60),
    daemon.units(16, 160),
    daemon.submitUntilRead,
    daemon.resultsOfFinishedUnit,
    daemon.resultsOfRunningUnit,
    daemon.smallLines,
    daemon.payload,
  ]);
}

async function benchCommandLine(): Promise<void> {
  const directory = await temporaryDirectory();
  const node = await startDaemon({ directory: directory.path });
  const status = ['--socket', node.socket, 'status'];
  const against = (target: number, args: (program: Program, own: readonly string[]) => readonly string[]) => [
    call('receptorctl --help', (program) => args(program, ['--help']), { ratioAtMost: target }),
    call('receptorctl status', (program) => args(program, status), { ratioAtMost: target }),
  ];
  try {
    if (pythonReceptorctl) {
      print(`\n${formatHead('The command line, against the Python one', 'Python')}`);
      await compareAll(
        against(1.2, (_, own) => own),
        receptorctl,
        pythonReceptorctl,
      );
    }
    print(`\n${formatHead('The command line, against `node -e 0`', 'node')}`);
    await compareAll(
      against(2, (program, own) => (program === NODE ? ['-e', '0'] : own)),
      receptorctl,
      NODE,
    );
  } finally {
    await node.stop();
    await directory.remove();
  }
}

async function benchPodLog(): Promise<void> {
  const { KUBECONFIG } = process.env;
  if (!KUBECONFIG) {
    print('\nPods: left out, KUBECONFIG names no cluster');
    return;
  }
  print(`\n${formatHead('Pods', 'kubectl')}`);
  await compareAll([podLog(KUBECONFIG)], 'ours', 'kubectl');
}

async function benchQuic(): Promise<void> {
  print(`\n${formatHead('QUIC in memory', 'node:tls')}`);
  for (const size of ['1200', '65471'] as const) await compareAll<Bulk>([quicBulk(size)], size, 'tls');
}

/** Starts a line of nodes of our own, and one of Go's where there is a Go daemon, and ends them. */
async function withLines(run: (ours: Mesh, other: Mesh | undefined) => Promise<void>): Promise<void> {
  progress('the nodes find one another');
  const lines: Mesh[] = [];
  try {
    for (const program of [receptor, goReceptor]) if (program) lines.push(await mesh.startLine(program));
    const [ours, other] = lines;
    if (!ours) throw new Error('not reached: ours is always there');
    await run(ours, other);
  } finally {
    await Promise.all(lines.map((line) => line.end()));
  }
}

async function benchMesh(): Promise<void> {
  print(`\n${formatHead('A mesh of daemons', 'Go')}`);
  await withLines(async (ours, other) => {
    await compareAll(
      [mesh.idleCpu, mesh.pings, mesh.connects, mesh.bulk(1, 5), mesh.bulk(LONG, 15), mesh.restart],
      ours,
      other,
    );
    print(`\n${formatHead('A mesh of daemons, against a chain of pipes', 'node:tls')}`);
    for (const hops of [1, LONG]) await compareWithLimit(ours, hops);
  });
  print(`\n${formatHead('Daemons that are started at once', 'Go')}`);
  await compareAll([10, 30, 60].map(mesh.startTogether), receptor, goReceptor);
}

async function compareWithLimit(ours: Mesh, hops: number): Promise<void> {
  const chain = await startTlsChain(hops);
  try {
    await compareAll<Mesh | TlsChain>([mesh.bulkAgainstLimit(hops)], ours, chain);
  } finally {
    await chain.end();
  }
}

async function benchRemote(): Promise<void> {
  print(`\n${formatHead('Work for other nodes', 'Go')}`);
  await withLines(async (ours, other) => {
    const last = mesh.LINE_NODES - 1;
    await compareAll(
      [
        remote.remoteUnit,
        remote.remoteUnits,
        remote.remoteResults(1, 10),
        remote.remoteResults(last, 20),
        remote.remotePayload(1, 10),
        remote.remotePayload(last, 20),
      ],
      ours,
      other,
    );
  });
}

if (process.env.NODE_EXTRA_CA_CERTS !== undefined) {
  // Node 20 reads these certificates, 40 ms of them, whenever it starts, whatever the program.
  delete process.env.NODE_EXTRA_CA_CERTS;
  console.log('NODE_EXTRA_CA_CERTS is taken out of the environment: it makes every start of Node slower.');
}
if (!goReceptor) console.log('RECEPTOR_GO names no Go daemon: nothing to compare with.');
if (wants('start')) await benchStart();
if (wants('daemon')) await benchDaemon();
if (wants('command-line')) await benchCommandLine();
if (wants('pod-log')) await benchPodLog();
if (wants('quic')) await benchQuic();
if (wants('mesh')) await benchMesh();
if (wants('remote')) await benchRemote();

const judged = all.map(isMet).filter((met) => met !== undefined);
console.log(`\n${judged.filter(Boolean).length} of ${judged.length} targets met`);
