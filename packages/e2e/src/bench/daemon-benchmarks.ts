import { mkdir, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Benchmark } from './benchmark.js';
import { cpuSeconds, memoryOfDescendantsMB, residentMB } from './process-usage.js';
import { RawClient, readResults, releaseAll, submit, untilComplete } from './raw-client.js';
import type { Side } from './side.js';

const GIBIBYTE = 1 << 30;
/** Output and payload of units that go over the mesh, which takes the Go daemon some seconds. */
export const BULK_BYTES = 64 << 20;
/** Nobody waits longer for a slow daemon's gibibyte; the rate is that of what has come by then. */
const READ_SECONDS = 3;
const SMALL_LINES = 100_000;
const RUNNING_UNITS = 100;

const workCommand = (worktype: string, command: string, params = '') => ({
  'work-command': { worktype, command, params },
});

/** The work types that the benchmarks use. */
export const SECTIONS = [
  workCommand('cat', 'cat'),
  workCommand('count', 'wc', '-c'),
  workCommand('bulk', 'head', `-c ${BULK_BYTES} /dev/zero`),
  workCommand('slowstart', 'sh', `-c "sleep 1; exec head -c ${GIBIBYTE} /dev/zero"`),
  // Unbuffered: one write of 100 bytes a line.
  workCommand(
    'lines',
    'perl',
    `-e '$|=1; my $l = ("x" x 99)."\\n"; syswrite(STDOUT, $l) for 1..${SMALL_LINES}'`,
  ),
  workCommand('sleep', 'sleep', '600'),
];

/** Has to be the first with a daemon. */
export const idleMemory: Benchmark<Side> = {
  figures: [{ name: 'resident idle, MB', target: { atMost: 75 } }],
  rounds: 1,
  measure: async ({ daemon }) => [residentMB(daemon.pid)],
};

/** What a daemon and its helpers grow by for each unit that runs, the command itself apart. */
export const unitMemory: Benchmark<Side> = {
  figures: [{ name: `memory a running unit (of ${RUNNING_UNITS}), MB`, target: { atMost: 1 } }],
  rounds: 1,
  measure: async ({ daemon }) => {
    const isHelper = (commandLine: string) => !commandLine.startsWith('sleep\0');
    const total = () => residentMB(daemon.pid) + memoryOfDescendantsMB(daemon.pid, isHelper);
    const before = total();
    const ids: string[] = [];
    for (let i = 0; i < RUNNING_UNITS; i += 1) ids.push(await submit(daemon.socket, 'sleep'));
    await delay(1000);
    const each = (total() - before) / RUNNING_UNITS;
    await releaseAll(daemon.socket, ids);
    return [each];
  },
};

export const statusRoundTrips: Benchmark<Side> = {
  figures: [{ name: 'status round trips / s', target: { ratioAtLeast: 1 } }],
  rounds: 7,
  measure: async ({ daemon }) => {
    const client = await RawClient.open(daemon.socket);
    const count = 4000;
    // Until this client too is compiled, it is this client that is measured.
    for (let i = 0; i < count; i += 1) await client.command('status');
    const since = performance.now();
    for (let i = 0; i < count; i += 1) await client.command('status');
    const rate = count / elapsed(since);
    client.close();
    return [rate];
  },
};

/** Units that are submitted, run and complete, with so many under way at any time. */
export function units(concurrency: number, count: number): Benchmark<Side> {
  return {
    figures: [
      { name: `cat units / s, ${concurrency} at a time`, target: { ratioAtLeast: 2 } },
      { name: `CPU a cat unit, ms, ${concurrency} at a time`, target: { ratioAtMost: 0.5 } },
    ],
    rounds: 3,
    measure: async ({ daemon }) => {
      const ids = [await submit(daemon.socket, 'cat', Buffer.from('warm'))];
      const cpuBefore = cpuSeconds(daemon.pid);
      const since = performance.now();
      let left = count;
      const lane = async () => {
        const client = await RawClient.open(daemon.socket);
        while (left > 0) {
          left -= 1;
          const id = await submit(daemon.socket, 'cat', Buffer.from('hello\n'));
          ids.push(id);
          await untilComplete(client, id);
        }
        client.close();
      };
      await Promise.all(Array.from({ length: concurrency }, lane));
      const perSecond = count / elapsed(since);
      const cpuMs = ((cpuSeconds(daemon.pid) - cpuBefore) / count) * 1000;
      await releaseAll(daemon.socket, ids);
      return [perSecond, cpuMs];
    },
  };
}

export const submitUntilRead: Benchmark<Side> = {
  figures: [{ name: 'submit until result read, ms', target: { ratioAtMost: 0.1 } }],
  rounds: 15,
  measure: async ({ daemon }) => {
    const since = performance.now();
    const id = await submit(daemon.socket, 'cat', Buffer.from('hello\n'));
    const { bytes } = await readResults(daemon.socket, id);
    const taken = elapsed(since) * 1000;
    if (bytes !== 6) throw new Error(`unit ${id} gave ${bytes} bytes`);
    await releaseAll(daemon.socket, [id]);
    return [taken];
  },
};

/** The name of the unit of {@link makeFinishedUnit}. */
export const FINISHED_UNIT = 'finished';

/**
 * Makes a unit as an earlier daemon would have left it: a Go daemon takes minutes to make one, and has to find it when
 * it starts.
 */
export async function makeFinishedUnit(unitsDirectory: string): Promise<void> {
  const directory = join(unitsDirectory, FINISHED_UNIT);
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, 'stdin'), '');
  await writeFile(join(directory, 'stdout'), '');
  await truncate(join(directory, 'stdout'), GIBIBYTE);
  const ExtraData = { Pid: 0, Params: '' };
  const status = { State: 2, Detail: 'exit status 0', StdoutSize: GIBIBYTE, WorkType: 'cat', ExtraData };
  await writeFile(join(directory, 'status'), JSON.stringify(status));
}

/** Needs the unit of {@link makeFinishedUnit}. */
export const resultsOfFinishedUnit: Benchmark<Side> = {
  figures: [{ name: '1 GiB results, finished unit, MiB/s', target: { ratioAtLeast: 2 } }],
  rounds: 5,
  measure: async ({ daemon }) => [(await gibibyteRate(daemon.socket, FINISHED_UNIT)).rate],
};

export const resultsOfRunningUnit: Benchmark<Side> = {
  figures: [{ name: '1 GiB results, running unit, MiB/s', target: { ratioAtLeast: 2 } }],
  rounds: 3,
  measure: async ({ daemon }) => {
    const id = await submit(daemon.socket, 'slowstart');
    const { rate } = await gibibyteRate(daemon.socket, id);
    await releaseAll(daemon.socket, [id]);
    return [rate];
  },
};

/** Reads the results of a unit of a gibibyte, of another node when one is named: MiB/s, and the MiB that came. */
export async function gibibyteRate(
  socket: string,
  id: string,
  node?: string,
): Promise<{ rate: number; mebibytes: number }> {
  const { bytes, whole, seconds } = await readResults(socket, id, READ_SECONDS, node);
  if (whole && bytes !== GIBIBYTE) throw new Error(`${bytes} bytes instead of ${GIBIBYTE}`);
  const mebibytes = bytes / (1 << 20);
  return { rate: mebibytes / seconds, mebibytes };
}

export const smallLines: Benchmark<Side> = {
  figures: [{ name: '100-byte lines / s', target: { ratioAtLeast: 10 } }],
  rounds: 3,
  measure: async ({ daemon }) => {
    const since = performance.now();
    const id = await submit(daemon.socket, 'lines');
    const { lines, whole } = await readResults(daemon.socket, id, READ_SECONDS);
    const taken = elapsed(since);
    if (whole && lines !== SMALL_LINES) throw new Error(`${lines} lines instead of ${SMALL_LINES}`);
    await releaseAll(daemon.socket, [id]);
    return [lines / taken];
  },
};

/** Until the unit is started, which is when all of the payload is stored. */
export const payload: Benchmark<Side> = {
  figures: [{ name: '1 GiB payload, MiB/s' }],
  rounds: 3,
  measure: async ({ daemon }) => {
    const since = performance.now();
    const id = await submit(daemon.socket, 'count', GIBIBYTE);
    const rate = GIBIBYTE / (1 << 20) / elapsed(since);
    const client = await RawClient.open(daemon.socket);
    await untilComplete(client, id);
    client.close();
    await releaseAll(daemon.socket, [id]);
    return [rate];
  },
};

const elapsed = (since: number): number => (performance.now() - since) / 1000;
