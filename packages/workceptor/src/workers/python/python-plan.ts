import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { WorkState } from '@receptor/protocol';
import { errorCode } from '../../error-text.js';
import type { UnitHandle } from '../../worker.js';
import type { CommandPlan } from '../command/command-worker.js';
import type { Exit } from '../command/exit-detail.js';
import { resolveCommand } from '../command/resolve-command.js';

const PROGRAM = 'receptor-python-worker';
/** The directory, within the unit's, that the program takes for the unit's. */
const DIRECTORY = 'python';
const STATUS = 'status';
/** What the program itself prints: it is not the unit's output, which the plugin's results are. */
const LOG = 'log';
const NO_WORD = 'The Python worker ended without saying how';
/** The end of a log in which the reason of a failure is looked for. */
const LAST_LINE = /([^\n]{1,500})\n?$/;

/**
 * The program writes the status file of the unit's directory whenever it likes, all at once or not. So it is given a directory of
 * its own, with a status of its own, and with the unit's payload and output by links; what it says in the end is believed.
 */
export function pythonPlan(
  directive: string,
  config: Readonly<Record<string, unknown>>,
  graceMs: number,
): CommandPlan {
  return {
    graceMs,
    runningDetail: 'Running',
    async command(unit, params) {
      const program = resolveCommand(PROGRAM, process.env.PATH ?? '');
      const directory = await prepareDirectory(unit);
      const given = JSON.stringify({ ...config, params });
      const printing = ['/bin/sh', '-c', 'exec "$@" >>"$0" 2>&1', join(directory, LOG)];
      return [...printing, program, directive, directory, given];
    },
    describeExit,
  };
}

async function prepareDirectory(unit: UnitHandle): Promise<string> {
  const directory = join(unit.directory, DIRECTORY);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await link(unit.stdinPath, join(directory, 'stdin'));
  await link(unit.stdoutPath, join(directory, 'stdout'));
  try {
    // One that is there belongs to a start that may be under way.
    await writeFile(join(directory, STATUS), JSON.stringify(unit.status), { mode: 0o600, flag: 'wx' });
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error;
  }
  return directory;
}

async function link(target: string, path: string): Promise<void> {
  try {
    await symlink(target, path);
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error;
  }
}

async function describeExit(unit: UnitHandle, exit: Exit): Promise<Pick<Exit, 'state' | 'detail'>> {
  const { state, detail } = await readStatus(join(unit.directory, DIRECTORY, STATUS));
  if (state === WorkState.Failed) return { state, detail };
  if (exit.state === WorkState.Succeeded)
    return state === WorkState.Succeeded ? { state, detail } : { state: WorkState.Failed, detail: NO_WORD };
  const log = await readFile(join(unit.directory, DIRECTORY, LOG), 'utf8').catch(() => '');
  const said = LAST_LINE.exec(log)?.[1];
  return { state: WorkState.Failed, detail: said === undefined ? exit.detail : `${exit.detail}: ${said}` };
}

/** What the program has said last; nothing when it cannot be read. */
async function readStatus(path: string): Promise<{ state: unknown; detail: string }> {
  try {
    const { State, Detail } = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>;
    return { state: State, detail: String(Detail) };
  } catch {
    return { state: undefined, detail: '' };
  }
}
