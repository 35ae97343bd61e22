import {
  type Program,
  pythonReceptorctl,
  receptorctl,
  run,
  startDaemon,
  temporaryDirectory,
} from '../index.js';
import type { Figures } from './daemon-benchmarks.js';

const ROUNDS = 15;

/** Times `--help` and `status` of our command line, of Python's where there is one, and of a bare `node -e 0`. */
export async function benchCommandLine(): Promise<{
  ours: Figures;
  python: Figures | undefined;
  node: Figures;
}> {
  const directory = await temporaryDirectory();
  const daemon = await startDaemon({ directory: directory.path });
  try {
    const calls: [string, string[]][] = [
      ['--help', ['--help']],
      ['status', ['--socket', daemon.socket, 'status']],
    ];
    const measure = async (program: Program) => {
      const figures: Figures = new Map();
      for (const [name, args] of calls) figures.set(name, await medianMs(program, args));
      return figures;
    };
    const bare = await medianMs({ command: process.execPath, prefix: [] }, ['-e', '0']);
    return {
      ours: await measure(receptorctl),
      python: pythonReceptorctl && (await measure(pythonReceptorctl)),
      node: new Map(calls.map(([name]) => [name, bare])),
    };
  } finally {
    await daemon.stop();
    await directory.remove();
  }
}

async function medianMs(program: Program, args: string[]): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const since = process.hrtime.bigint();
    await run(program, args);
    times.push(Number(process.hrtime.bigint() - since) / 1e6);
  }
  times.sort((a, b) => a - b);
  return times[ROUNDS >> 1] ?? Number.NaN;
}
