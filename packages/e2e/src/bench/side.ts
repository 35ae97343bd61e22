import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type DaemonProcess, type Program, startDaemon, temporaryDirectory } from '../index.js';

/** One of the two that are compared: a program, and a daemon of it that runs. */
export interface Side {
  readonly program: Program;
  readonly daemon: DaemonProcess;
}

/**
 * Starts a daemon of each program, lets them come to rest, and ends them after `body`.
 * @param prepare puts units into the data directory beforehand
 */
export async function withDaemons(
  programs: readonly [Program, Program | undefined],
  sections: readonly unknown[],
  prepare: (unitsDirectory: string) => Promise<void>,
  body: (ours: Side, other: Side | undefined) => Promise<void>,
): Promise<void> {
  const ending: (() => Promise<void>)[] = [];
  const begin = async (program: Program): Promise<Side> => {
    const directory = await temporaryDirectory();
    ending.push(directory.remove);
    await prepare(join(directory.path, 'data', 'foo'));
    const daemon = await startDaemon({ directory: directory.path, program, sections });
    ending.push(daemon.kill);
    return { program, daemon };
  };
  try {
    const ours = await begin(programs[0]);
    const other = programs[1] && (await begin(programs[1]));
    await delay(1000);
    await body(ours, other);
  } finally {
    for (const end of ending.reverse()) await end();
  }
}
