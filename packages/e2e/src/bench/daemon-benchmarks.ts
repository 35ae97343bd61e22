import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type DaemonProcess, type Program, startDaemon, temporaryDirectory } from '../index.js';
import { cpuSeconds, residentMB, residentOfDescendantsMB } from './process-usage.js';
import { RawClient, readResults, submit, waitComplete } from './raw-client.js';

/** Figures of one daemon, by name. */
export type Figures = Map<string, number>;

const GIBIBYTE = 1 << 30;
const SMALL_LINES = 50_000;

const workCommand = (worktype: string, command: string, params = '') => ({
  'work-command': { worktype, command, params },
});

const SECTIONS = [
  workCommand('cat', 'cat'),
  workCommand('big', 'head', `-c ${GIBIBYTE} /dev/zero`),
  workCommand('slowstart', 'sh', `-c "sleep 1; head -c ${GIBIBYTE} /dev/zero"`),
  // Unbuffered: one write of 100 bytes a line.
  workCommand(
    'lines',
    'perl',
    `-e '$|=1; my $l = ("x" x 99)."\\n"; syswrite(STDOUT, $l) for 1..${SMALL_LINES}'`,
  ),
  workCommand('sleep', 'sleep', '600'),
];

/** Runs every benchmark of the daemon against one program. */
export async function benchDaemon(program: Program, report: (name: string) => void): Promise<Figures> {
  const figures: Figures = new Map();
  const put = (name: string, value: number) => {
    figures.set(name, value);
    report(name);
  };
  put('start to first answer, ms', await startToFirstAnswer(program));
  await withDaemon(program, async (daemon) => {
    await delay(1000);
    put('resident idle, MB', residentMB(daemon.pid));
    put('status round trips / s', await statusRoundTrips(daemon));
    for (const concurrency of [1, 16]) {
      const { perSecond, cpuMs } = await units(daemon, concurrency, concurrency === 1 ? 100 : 300);
      put(`cat units / s, ${concurrency} at a time`, perSecond);
      put(`CPU a cat unit, ms, ${concurrency} at a time`, cpuMs);
    }
    put('submit until result read, ms', await submitUntilRead(daemon));
    put('1 GiB results, finished unit, MiB/s', await largeResults(daemon, 'big', true));
    put('1 GiB results, running unit, MiB/s', await largeResults(daemon, 'slowstart', false));
    put('100-byte lines / s', await smallLines(daemon));
    put('1 GiB payload, MiB/s', await payload(daemon));
  });
  await withDaemon(program, async (daemon) => {
    put('memory a running unit, MB', await memoryPerUnit(daemon));
  });
  return figures;
}

async function withDaemon(program: Program, body: (daemon: DaemonProcess) => Promise<void>): Promise<void> {
  const directory = await temporaryDirectory();
  const daemon = await startDaemon({ directory: directory.path, program, sections: SECTIONS });
  try {
    await body(daemon);
  } finally {
    await daemon.kill();
    await directory.remove();
  }
}

const seconds = (since: bigint) => Number(process.hrtime.bigint() - since) / 1e9;
const median = (values: number[]) => [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

async function startToFirstAnswer(program: Program): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round < 7; round += 1) {
    const directory = await temporaryDirectory();
    const path = join(directory.path, 's');
    const since = process.hrtime.bigint();
    const child = spawn(
      program.command,
      [
        ...program.prefix,
        '--node',
        'id=foo',
        `datadir=${directory.path}`,
        '--local-only',
        '--control-service',
        'service=control',
        `filename=${path}`,
      ],
      { stdio: 'ignore' },
    );
    const closed = once(child, 'close');
    await answers(path);
    times.push(seconds(since) * 1000);
    child.kill('SIGKILL');
    await closed;
    await directory.remove();
  }
  return median(times);
}

async function answers(path: string): Promise<void> {
  for (;;) {
    if (existsSync(path)) {
      const greeted = await new Promise<boolean>((resolve) => {
        const socket = connect(path);
        socket.once('data', () => {
          socket.destroy();
          resolve(true);
        });
        socket.once('error', () => resolve(false));
      });
      if (greeted) return;
    }
    await delay(1);
  }
}

async function statusRoundTrips(daemon: DaemonProcess): Promise<number> {
  const client = await RawClient.open(daemon.socket);
  const count = 20_000;
  for (let i = 0; i < 2000; i += 1) await client.command('status');
  const since = process.hrtime.bigint();
  for (let i = 0; i < count; i += 1) await client.command('status');
  const rate = count / seconds(since);
  client.close();
  return rate;
}

async function units(daemon: DaemonProcess, concurrency: number, count: number) {
  await submit(daemon.socket, 'cat', Buffer.from('warm'));
  const cpuBefore = cpuSeconds(daemon.pid);
  const since = process.hrtime.bigint();
  let left = count;
  const one = async () => {
    while (left > 0) {
      left -= 1;
      const id = await submit(daemon.socket, 'cat', Buffer.from('hello\n'));
      const { bytes } = await readResults(daemon.socket, id);
      if (bytes !== 6) throw new Error(`unit ${id} gave ${bytes} bytes`);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, one));
  const perSecond = count / seconds(since);
  return { perSecond, cpuMs: ((cpuSeconds(daemon.pid) - cpuBefore) / count) * 1000 };
}

async function submitUntilRead(daemon: DaemonProcess): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round < 21; round += 1) {
    const since = process.hrtime.bigint();
    await readResults(daemon.socket, await submit(daemon.socket, 'cat', Buffer.from('hello\n')));
    times.push(seconds(since) * 1000);
  }
  return median(times);
}

async function largeResults(daemon: DaemonProcess, workType: string, finished: boolean): Promise<number> {
  const id = await submit(daemon.socket, workType);
  const client = await RawClient.open(daemon.socket);
  if (finished) await waitComplete(client, id);
  const since = process.hrtime.bigint();
  const { bytes } = await readResults(daemon.socket, id);
  const taken = seconds(since) - (finished ? 0 : 1);
  if (bytes !== GIBIBYTE) throw new Error(`${bytes} bytes instead of ${GIBIBYTE}`);
  await client.command(`work release ${id}`);
  client.close();
  return GIBIBYTE / (1 << 20) / taken;
}

async function smallLines(daemon: DaemonProcess): Promise<number> {
  const since = process.hrtime.bigint();
  const { lines } = await readResults(daemon.socket, await submit(daemon.socket, 'lines'));
  if (lines !== SMALL_LINES) throw new Error(`${lines} lines instead of ${SMALL_LINES}`);
  return SMALL_LINES / seconds(since);
}

async function payload(daemon: DaemonProcess): Promise<number> {
  const since = process.hrtime.bigint();
  const id = await submit(daemon.socket, 'cat', GIBIBYTE);
  const rate = GIBIBYTE / (1 << 20) / seconds(since);
  const client = await RawClient.open(daemon.socket);
  await waitComplete(client, id);
  await client.command(`work release ${id}`);
  client.close();
  return rate;
}

async function memoryPerUnit(daemon: DaemonProcess): Promise<number> {
  const count = 50;
  const isHelper = (commandLine: string) => !commandLine.startsWith('sleep\0');
  const total = () => residentMB(daemon.pid) + residentOfDescendantsMB(daemon.pid, isHelper);
  await submit(daemon.socket, 'cat');
  const before = total();
  const ids: string[] = [];
  for (let i = 0; i < count; i += 1) ids.push(await submit(daemon.socket, 'sleep'));
  await delay(1000);
  const each = (total() - before) / count;
  // Together, because a cancel waits for its process.
  await Promise.all(
    ids.map(async (id) => {
      const client = await RawClient.open(daemon.socket);
      await client.command(`work cancel ${id}`);
      client.close();
    }),
  );
  return each;
}
