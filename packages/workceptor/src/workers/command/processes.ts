import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { errorCode } from '../../error-text.js';

const HAS_PROC = existsSync('/proc/self/cmdline');

/** The arguments of a live process; empty where there is none, or where only its zombie is left. */
async function argumentsOf(pid: number): Promise<string[]> {
  try {
    if (HAS_PROC) return (await readFile(`/proc/${pid}/cmdline`, 'utf8')).split('\0').slice(0, -1);
    const { stdout } = await promisify(execFile)('ps', ['-ww', '-o', 'args=', '-p', String(pid)]);
    return stdout.trim().split(' ');
  } catch {
    return [];
  }
}

/**
 * Whether a process is alive and is the runner of the unit in this directory. The unit's directory is among its
 * arguments, so a process that has been given the same number since is not taken for it.
 */
export async function isRunnerOf(pid: number, directory: string): Promise<boolean> {
  const args = await argumentsOf(pid);
  return args.includes(directory);
}

/** Whether a process is alive and is a Go daemon's command runner for the unit in this directory. */
export async function isGoRunnerOf(pid: number, directory: string): Promise<boolean> {
  const args = await argumentsOf(pid);
  return args.includes('--command-runner') && args.includes(`unitdir=${directory}`);
}

/** The first child of a process; undefined where it has none, or the system does not tell. */
export function childOf(pid: number): number | undefined {
  try {
    const child = Number.parseInt(readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1'), 10);
    return Number.isNaN(child) ? undefined : child;
  } catch {
    return undefined;
  }
}

/** Whether a runner has got so far that its child is the command, and no longer the shell that is to become it. */
export async function hasStartedCommand(pid: number, directory: string): Promise<boolean> {
  const child = childOf(pid);
  return child !== undefined && !(await isRunnerOf(child, directory));
}

/**
 * Kills what is left of a process group whose leader, a runner, is gone. Only processes that still write to the unit's
 * output are taken for the command: the group's number may be another's by now.
 */
export function killOrphans(group: number, stdoutPath: string): void {
  if (!HAS_PROC) return;
  for (const name of readdirSync('/proc')) {
    try {
      // After the name in parentheses: state, parent, process group.
      const fields =
        readFileSync(`/proc/${Number(name)}/stat`, 'latin1')
          .split(') ')
          .at(-1)
          ?.split(' ') ?? [];
      if (Number(fields[2]) !== group) continue;
      const outputs = [1, 2].map((fd) => readlinkSync(`/proc/${name}/fd/${fd}`));
      if (outputs.includes(stdoutPath)) signal(Number(name), 'SIGKILL');
    } catch {
      // No process, not ours, or gone.
    }
  }
}

/**
 * Signals a process, or with a negative number its group.
 * @returns false when there is nobody left to signal.
 */
export function signal(target: number, name: NodeJS.Signals): boolean {
  try {
    return process.kill(target, name);
  } catch (error) {
    if (errorCode(error) === 'ESRCH') return false;
    throw error;
  }
}
