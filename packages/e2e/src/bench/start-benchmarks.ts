import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { stringify } from 'yaml';
import { type Program, temporaryDirectory } from '../index.js';
import type { Benchmark } from './benchmark.js';
import { RawClient } from './raw-client.js';

const MANY_UNITS = 10_000;
const PATIENCE_MS = 20_000;

/** From the start of the program until a client of its socket is greeted, configured by arguments. */
export const startWithArguments: Benchmark<Program> = {
  figures: [{ name: 'start to first answer, arguments, ms', target: { ratioAtMost: 2 } }],
  rounds: 11,
  measure: async (program) => [
    await withNode(program, (directory) => [
      ...['--node', 'id=foo', `datadir=${directory}`, '--local-only'],
      ...['--control-service', 'service=control', `filename=${join(directory, 's')}`],
    ]),
  ],
};

/** The same with a configuration file, as the guides have it. */
export const startWithFile: Benchmark<Program> = {
  figures: [{ name: 'start to first answer, file, ms', target: { ratioAtMost: 2 } }],
  rounds: 11,
  measure: async (program) => [
    await withNode(program, async (directory) => ['-c', await writeConfiguration(directory, directory)]),
  ],
};

/** The same where the data directory holds many finished units, and how long it then takes to list them. */
export function startWithManyUnits(dataDirectory: string): Benchmark<Program> {
  return {
    figures: [
      { name: `start until ${MANY_UNITS} units are listed, ms`, target: { ratioAtMost: 1 } },
      { name: `work list of ${MANY_UNITS} units, ms`, target: { ratioAtMost: 1 } },
    ],
    rounds: 3,
    measure: async (program) => {
      const began = performance.now();
      // A Go daemon that is asked for its list while it reads its units may never answer again.
      let allListed = Number.POSITIVE_INFINITY;
      let listMs = Number.POSITIVE_INFINITY;
      await withNode(
        program,
        async (directory) => ['-c', await writeConfiguration(directory, dataDirectory)],
        async (socket) => {
          const client = await RawClient.open(socket);
          const limit = setTimeout(() => client.close(), PATIENCE_MS);
          const list = async () =>
            Object.keys(JSON.parse(await client.command('work list')) as object).length;
          try {
            // A Go daemon answers before it has read them.
            while ((await list()) < MANY_UNITS) await delay(50);
            const listed = performance.now();
            await list();
            listMs = performance.now() - listed;
            allListed = listed;
          } catch {
            // It stays at what it is.
          }
          clearTimeout(limit);
          client.close();
        },
      );
      return [allListed - began, listMs];
    },
  };
}

/** Makes the directories of many finished units. */
export async function makeManyUnits(dataDirectory: string): Promise<void> {
  const status =
    '{"State":2,"Detail":"exit status 0","StdoutSize":6,"WorkType":"cat","ExtraData":{"Pid":0,"Params":""}}\n';
  for (let number = 0; number < MANY_UNITS; number += 1) {
    const unit = join(dataDirectory, 'foo', `u${String(number).padStart(7, '0')}`);
    await mkdir(unit, { recursive: true });
    await Promise.all([
      writeFile(join(unit, 'status'), status),
      writeFile(join(unit, 'stdin'), 'hello\n'),
      writeFile(join(unit, 'stdout'), 'hello\n'),
    ]);
  }
}

async function writeConfiguration(directory: string, dataDirectory: string): Promise<string> {
  const file = join(directory, 'receptor.yml');
  const sections = [
    { node: { id: 'foo', datadir: dataDirectory } },
    { 'log-level': { level: 'info' } },
    'local-only',
    { 'control-service': { service: 'control', filename: join(directory, 's') } },
    { 'work-command': { worktype: 'cat', command: 'cat' } },
  ];
  await writeFile(file, stringify(sections));
  return file;
}

/** Starts a node whose socket is `s` in a directory of its own; milliseconds until it answers there. */
async function withNode(
  program: Program,
  args: (directory: string) => string[] | Promise<string[]>,
  use?: (socket: string) => Promise<void>,
): Promise<number> {
  const directory = await temporaryDirectory();
  const socket = join(directory.path, 's');
  const all = [...program.prefix, ...(await args(directory.path))];
  const since = performance.now();
  const child = spawn(program.command, all, { stdio: 'ignore' });
  const closed = once(child, 'close');
  try {
    await answers(socket);
    const taken = performance.now() - since;
    await use?.(socket);
    return taken;
  } finally {
    child.kill('SIGKILL');
    await closed;
    await directory.remove();
  }
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
