import { constants } from 'node:os';
import { WorkState } from '@receptor/protocol';
import type { RunnerRecord } from './runner.js';

/** What Go calls the signals that end processes. */
const SIGNAL_TEXTS: Readonly<Record<string, string>> = {
  SIGHUP: 'hangup',
  SIGINT: 'interrupt',
  SIGQUIT: 'quit',
  SIGILL: 'illegal instruction',
  SIGTRAP: 'trace/breakpoint trap',
  SIGABRT: 'aborted',
  SIGBUS: 'bus error',
  SIGFPE: 'floating point exception',
  SIGKILL: 'killed',
  SIGUSR1: 'user defined signal 1',
  SIGSEGV: 'segmentation fault',
  SIGUSR2: 'user defined signal 2',
  SIGPIPE: 'broken pipe',
  SIGALRM: 'alarm clock',
  SIGTERM: 'terminated',
  SIGSTKFLT: 'stack fault',
  SIGXCPU: 'CPU time limit exceeded',
  SIGXFSZ: 'file size limit exceeded',
  SIGVTALRM: 'virtual timer expired',
  SIGPROF: 'profiling timer expired',
  SIGIO: 'I/O possible',
  SIGPWR: 'power failure',
  SIGSYS: 'bad system call',
};

/** Of these a shell says nothing: `$?` alone has to do, and a program that ends with 130 by itself means the same. */
const SILENT_SIGNALS: readonly number[] = [constants.signals.SIGINT, constants.signals.SIGPIPE];

/** How a command ended. */
export interface Exit {
  state: WorkState;
  /** `exit status 7`, or `signal: killed`, as Go puts it. */
  detail: string;
  exitCode: number;
  /** Name of the signal that killed it, such as `SIGKILL`. */
  signal: string | undefined;
}

/**
 * Reads from the shell's `$?` how a command ended. The shell turns a death by signal n into 128+n; that it was a death
 * and no `exit 137` is told by what the shell said of it.
 */
export function describeExit({ message }: Pick<RunnerRecord, 'message'>, exitStatus: number): Exit {
  const number = exitStatus - 128;
  const signal =
    number > 0 && (message !== '' || SILENT_SIGNALS.includes(number))
      ? Object.entries(constants.signals).find(([, n]) => n === number)?.[0]
      : undefined;
  if (signal !== undefined) {
    const text = SIGNAL_TEXTS[signal] ?? `signal ${number}`;
    const core = message.includes('core dumped') ? ' (core dumped)' : '';
    return { state: WorkState.Failed, detail: `signal: ${text}${core}`, exitCode: exitStatus, signal };
  }
  const state = exitStatus === 0 ? WorkState.Succeeded : WorkState.Failed;
  return { state, detail: `exit status ${exitStatus}`, exitCode: exitStatus, signal: undefined };
}
