import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { loadPosixSpawn } from './posix-spawn.js';

/** Told once how a child has ended: its exit status, or the signal that killed it; neither where nobody can know. */
export type ExitListener = (code: number | null, signal: NodeJS.Signals | null) => void;

/** A child process that leads a session of its own, with nothing on its standard streams. */
export interface Child {
  readonly pid: number;
  /** Tells nobody any more. The child goes on, and does not keep this process from ending. */
  letGo(): void;
}

/**
 * Starts a child. Node copies the tables of its whole memory for that, which takes longer than all else that is to be
 * done for a short unit; where it can be called, posix_spawn(3) does without.
 * @param path of the program
 * @param onExit is not called before the promise that this returns is resolved
 * @throws Error with the system's code, such as `E2BIG`
 */
export async function spawnDetached(
  path: string,
  args: readonly string[],
  onExit: ExitListener,
): Promise<Child> {
  const posixSpawn = await loadPosixSpawn();
  return await (posixSpawn ?? spawnWithNode)(path, args, onExit);
}

/** Starts a child in Node's way. */
export async function spawnWithNode(
  path: string,
  args: readonly string[],
  onExit: ExitListener,
): Promise<Child> {
  const child = spawn(path, args, { detached: true, stdio: 'ignore' });
  const { pid } = child;
  if (pid === undefined) throw (await once(child, 'error'))[0];
  child.once('exit', onExit);
  return {
    pid,
    letGo: () => {
      child.off('exit', onExit);
      child.unref();
    },
  };
}
