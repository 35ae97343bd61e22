import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from '../../error-text.js';
import { type Child, type ExitListener, spawnDetached } from './child.js';

/** The file in a unit's directory in which its runner keeps its record; see {@link RunnerRecord}. */
const RUNNER_FILE = 'runner';

/**
 * A few lines of sh are the runner: they outlive the daemon to record how the command ended, and die with nothing.
 * - The record is created exclusively (`set -C`): of two runners of one unit only the first goes on, so that a unit
 *   whose start was cut short can be started again without ever running twice. `exec` fails where a file cannot be
 *   opened, and then nothing is run; nor is it where the record cannot be written.
 * - The shell's own stderr is the record, so what it says of a command that was killed stands before the status. The
 *   command is executed in a subshell because some shells redirect themselves along with a plain command.
 * - Signals are caught, not ignored, as only ignored ones are inherited: a signal to the process group ends the
 *   command and leaves the runner to record it.
 * Its arguments: the unit's directory, the daemon's umask, the command and its parameters.
 */
const SCRIPT = `umask 077; set -C
exec 2>"$1/${RUNNER_FILE}" <"$1/stdin" >>"$1/stdout" || exit 125
set +C; umask "$2"; shift 2
echo "pid $$" >&2 || exit 125
trap : HUP INT QUIT TERM USR1 USR2 ALRM
(exec "$@" 2>&1)
status=$?
echo "exit $status" >&2
exit $status`;

/** What a runner has written of itself so far. */
export interface RunnerRecord {
  /** The runner's process, which leads a session and a process group; undefined while it has not got that far. */
  pid: number | undefined;
  /** What the shell said in between: of a signal that killed the command, or of a file that could not be opened. */
  message: string;
  /** The shell's `$?`; undefined while the command runs. */
  exitStatus: number | undefined;
}

/** Reads a runner's record; half lines, as they are seen for a moment, do not count. */
export function parseRunnerRecord(text: string): RunnerRecord {
  const lines = text.split('\n').slice(0, -1);
  const pid = /^pid (\d+)$/.exec(lines[0] ?? '')?.[1];
  const exit = pid === undefined ? undefined : /^exit (\d+)$/.exec(lines.at(-1) ?? '')?.[1];
  const message = lines.slice(pid === undefined ? 0 : 1, exit === undefined ? undefined : -1).join('\n');
  return {
    pid: pid === undefined ? undefined : Number(pid),
    message,
    exitStatus: exit === undefined ? undefined : Number(exit),
  };
}

/** The record in a unit's directory; undefined where no runner has ever come so far as to make one. */
export async function readRunnerRecord(directory: string): Promise<RunnerRecord | undefined> {
  try {
    return parseRunnerRecord(await readFile(join(directory, RUNNER_FILE), 'utf8'));
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

let umask: string | undefined;

/** Spawns a runner in a session of its own. @throws Error with the system's code when that fails */
export function spawnRunner(
  directory: string,
  command: readonly string[],
  onExit: ExitListener,
): Promise<Child> {
  umask ??= process.umask().toString(8);
  return spawnDetached('/bin/sh', ['-c', SCRIPT, 'sh', directory, umask, ...command], onExit);
}
