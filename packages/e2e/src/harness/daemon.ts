import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { type Program, receptor } from './programs.js';

/** A daemon that runs as a process of its own. */
export interface DaemonProcess {
  readonly pid: number;
  readonly socket: string;
  /** The node's directory: one directory for each unit. */
  readonly unitsDirectory: string;
  /** Everything it has logged. */
  log(): string;
  /** Resolves when it has ended. */
  readonly ended: Promise<DaemonEnded>;
  /** Ends it as an operator would; resolves with its exit code. */
  stop(): Promise<number | null>;
  /** Ends it at once, as a crash would. */
  kill(): Promise<void>;
}

/** How a daemon ended. */
export class DaemonEnded extends Error {
  constructor(
    readonly code: number | null,
    readonly signal: NodeJS.Signals | null,
    log: string,
  ) {
    super(`the daemon ended with ${code === null ? `signal ${signal}` : `code ${code}`}:\n${log}`);
  }
}

/** Settings of {@link startDaemon}. */
export interface DaemonOptions {
  /** Where its configuration, socket and data are; a second start in the same directory takes the units up again. */
  directory: string;
  /** Sections beside node, log-level, local-only and control-service. */
  sections?: readonly unknown[];
  /** All sections, instead of those that are added to `sections`. Must name the socket `directory`/ctl.sock. */
  allSections?: readonly unknown[];
  nodeId?: string;
  program?: Program;
  env?: NodeJS.ProcessEnv;
  /** Keeps Ctrl-C at a terminal from it: whoever starts it ends it. */
  detached?: boolean;
}

/**
 * Starts a daemon and waits until it says `Initialization complete`.
 * @throws DaemonEnded with its log when it ends before that.
 */
export async function startDaemon(options: DaemonOptions): Promise<DaemonProcess> {
  const { directory, nodeId = 'foo', program = receptor } = options;
  const socket = join(directory, 'ctl.sock');
  const sections = options.allSections ?? [
    { node: { id: nodeId, datadir: join(directory, 'data') } },
    { 'log-level': { level: 'debug' } },
    'local-only',
    { 'control-service': { service: 'control', filename: socket } },
    ...(options.sections ?? []),
  ];
  const file = join(directory, 'receptor.yml');
  await writeFile(file, stringify(sections));
  const child = spawn(program.command, [...program.prefix, '-c', file], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...options.env },
    detached: options.detached ?? false,
  });
  let log = '';
  const ended = once(child, 'close').then(() => new DaemonEnded(child.exitCode, child.signalCode, log));
  await new Promise<void>((resolve, reject) => {
    const read = (chunk: Buffer) => {
      log += chunk.toString();
      if (log.includes('Initialization complete')) resolve();
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    child.once('error', reject);
    void ended.then(reject);
  });
  const { pid } = child;
  if (pid === undefined) throw new Error('the daemon has no process');
  return {
    pid,
    socket,
    unitsDirectory: join(directory, 'data', nodeId),
    log: () => log,
    ended,
    stop: async () => {
      await end(child, 'SIGTERM');
      return child.exitCode;
    },
    kill: () => end(child, 'SIGKILL'),
  };
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const closed = once(child, 'close');
  child.kill(signal);
  await closed;
}
