import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import type { ContainerSpec, Pod } from '../objects.js';
import type { Execution, Exit, Launch, Output } from './execution.js';

/** The kubelet cuts a termination message to this length. */
const MAX_MESSAGE = 4096;

/** What the images the simulator knows (busybox) run when the pod names no command. */
const IMAGE_COMMAND = ['sh'];

/** Replaces `$(NAME)` by the container's own variables, as the kubelet does; `$$` stands for `$`. */
const expand = (text: string, env: Readonly<Record<string, string>>): string =>
  text.replace(/\$\$|\$\(([^)]+)\)/g, (whole, name: string | undefined) =>
    name === undefined ? '$' : (env[name] ?? whole),
  );

/** The variables that the pod gives to a container. */
const containerEnv = (spec: ContainerSpec): Record<string, string> => {
  const env: Record<string, string> = {};
  for (const { name, value } of spec.env ?? []) env[name] = expand(value ?? '', env);
  return env;
};

/** Program and arguments of a container. */
const commandLine = (spec: ContainerSpec): string[] => {
  const env = containerEnv(spec);
  const words = [...(spec.command ?? []), ...(spec.args ?? [])];
  return (words.length > 0 ? words : IMAGE_COMMAND).map((word) => expand(word, env));
};

/**
 * Runs a container's command as a process of this machine, in a process group and a directory of its own.
 * Its `workingDir` is a place below that directory, and the path of the termination message is replaced in the
 * command by a file there.
 */
export const startProcess = ({ pod, spec, output, directory }: Launch): Execution => {
  const cwd = join(directory, spec.workingDir ?? '/');
  mkdirSync(cwd, { recursive: true });
  const messagePath = spec.terminationMessagePath ?? '/dev/termination-log';
  const messageFile = join(directory, '.termination-log');
  const [program = 'sh', ...words] = commandLine(spec).map((word) =>
    word.replaceAll(messagePath, messageFile),
  );
  const child = spawn(program, words, {
    cwd,
    env: environment(pod, spec),
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true,
  });
  const stdin = child.stdin;
  // A command that has ended or closed its input takes no more of it; that is no fault.
  stdin.on('error', () => stdin.destroy());
  if (!spec.stdin) stdin.end();
  pipe(child.stdout, 'stdout', output);
  pipe(child.stderr, 'stderr', output);
  return { stdin, exited: exitOf(child, program, messageFile), kill: (signal) => killGroup(child, signal) };
};

const environment = (pod: Pod, spec: ContainerSpec): Record<string, string> => ({
  PATH: process.env.PATH ?? '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  HOME: process.env.HOME ?? '/',
  HOSTNAME: pod.metadata.name,
  ...containerEnv(spec),
});

const pipe = (from: Readable, stream: 'stdout' | 'stderr', output: Output): void => {
  from.on('data', (chunk: Buffer) => {
    const wait = output.write(stream, chunk);
    if (!wait) return;
    from.pause();
    void wait.then(() => from.resume());
  });
  from.on('close', () => output.end(stream));
};

const exitOf = (child: ChildProcess, program: string, messageFile: string): Promise<Exit> =>
  new Promise((resolve) => {
    let failure: NodeJS.ErrnoException | undefined;
    child.on('error', (error) => {
      failure = error;
      if (child.pid === undefined) resolve(startError(program, failure));
    });
    // The end of a container's first process is the end of all of them.
    child.on('exit', () => killGroup(child, 'SIGKILL'));
    child.on('close', (code, signal) => {
      if (failure && child.pid === undefined) return;
      const exitCode = code ?? 128 + (signal ? constants.signals[signal] : 0);
      const message = terminationMessage(messageFile);
      resolve({ exitCode, ...(message === '' ? {} : { message }) });
    });
  });

const startError = (program: string, error: NodeJS.ErrnoException): Exit => {
  const cause =
    error.code === 'ENOENT'
      ? program.includes('/')
        ? `stat ${program}: no such file or directory`
        : 'executable file not found in $PATH'
      : error.code === 'EACCES'
        ? 'permission denied'
        : error.message;
  return {
    exitCode: 128,
    reason: 'StartError',
    message: `failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: "${program}": ${cause}: unknown`,
    neverStarted: true,
  };
};

const terminationMessage = (file: string): string => {
  try {
    return readFileSync(file).subarray(0, MAX_MESSAGE).toString();
  } catch {
    return '';
  }
};

const killGroup = (child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL'): void => {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // The group has ended.
  }
};
