import { PassThrough } from 'node:stream';
import type { ContainerSpec, Pod } from '../objects.js';
import type { Execution, Exit, Launch } from './execution.js';

/** What a scripted container sees of the world. */
export interface ScriptIo {
  readonly pod: Pod;
  readonly spec: ContainerSpec;
  /** What attached clients send; ends at EOF. */
  readonly stdin: AsyncIterable<Buffer>;
  /** Writes exactly these bytes; resolves when the log has them and every attached client took them. */
  stdout(bytes: Uint8Array | string): Promise<void>;
  stderr(bytes: Uint8Array | string): Promise<void>;
  /** Closes an output while the container goes on. */
  close(stream: 'stdout' | 'stderr'): void;
  /** Resolves when the first client is attached. */
  readonly attached: Promise<void>;
  /** Aborted when the container is asked to end (SIGTERM) or is killed. */
  readonly signal: AbortSignal;
}

/** What a scripted container may yield: bytes for stdout, or for the stream that is named. */
export type ScriptOutput =
  | Uint8Array
  | string
  | { stdout: Uint8Array | string }
  | { stderr: Uint8Array | string };

/** What a script ends with: an exit code, an {@link Exit}, or nothing for 0. */
export type ScriptResult = Exit | number | undefined;

/** A container written as a function; a generator's values are its output. An error thrown is exit code 1. */
export type Script = (
  io: ScriptIo,
) =>
  | Promise<ScriptResult>
  | Promise<void>
  | AsyncGenerator<ScriptOutput, ScriptResult, void>
  | AsyncGenerator<ScriptOutput, void, void>;

/** Runs a script as a container. */
export const startScript = ({ pod, spec, output }: Launch, script: Script): Execution => {
  const stdin = new PassThrough();
  stdin.on('error', () => {});
  if (!spec.stdin) stdin.end();
  const asked = new AbortController();
  let killed: (exit: Exit) => void = () => {};
  const kill = new Promise<Exit>((resolve) => {
    killed = resolve;
  });
  let over = false;
  const write = async (stream: 'stdout' | 'stderr', bytes: Uint8Array | string): Promise<void> => {
    if (over) return;
    await output.write(stream, typeof bytes === 'string' ? Buffer.from(bytes) : bytes);
  };
  const io: ScriptIo = {
    pod,
    spec,
    stdin,
    stdout: (bytes) => write('stdout', bytes),
    stderr: (bytes) => write('stderr', bytes),
    close: (stream) => output.end(stream),
    attached: output.attached,
    signal: asked.signal,
  };
  const ended = Promise.race([play(script, io), kill]).then((exit) => {
    over = true;
    output.end('stdout');
    output.end('stderr');
    stdin.destroy();
    return exit;
  });
  return {
    stdin,
    exited: ended,
    kill: (signal) => {
      asked.abort(signal);
      if (signal === 'SIGKILL') killed({ exitCode: 137 });
    },
  };
};

const play = async (script: Script, io: ScriptIo): Promise<Exit> => {
  try {
    const run = script(io);
    const result = await (Symbol.asyncIterator in run ? drain(run, io) : run);
    return typeof result === 'number' ? { exitCode: result } : (result ?? { exitCode: 0 });
  } catch (error) {
    return { exitCode: 1, message: String(error) };
  }
};

const drain = async (
  run:
    | AsyncGenerator<ScriptOutput, ScriptResult | undefined, void>
    | AsyncGenerator<ScriptOutput, void, void>,
  io: ScriptIo,
): Promise<ScriptResult> => {
  for (;;) {
    const { done, value } = await run.next();
    if (done) return value ?? undefined;
    if (typeof value === 'string' || value instanceof Uint8Array) await io.stdout(value);
    else if ('stdout' in value) await io.stdout(value.stdout);
    else await io.stderr(value.stderr);
  }
};
