import { Readable, Writable } from 'node:stream';
import { run } from '../src/run.js';

/** What a run of the program left behind. */
export interface Captured {
  exit: number;
  stdout: string;
  stderr: string;
}

/** A stream that keeps what is written to it. */
export class Sink extends Writable {
  readonly chunks: Buffer[] = [];
  isTTY = false;

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.chunks.push(chunk);
    done();
  }

  text(): string {
    return Buffer.concat(this.chunks).toString();
  }
}

interface Surroundings {
  env?: NodeJS.ProcessEnv;
  stdin?: string | Readable;
  signal?: AbortSignal;
  stdout?: Sink;
  stderr?: Sink;
}

/** Runs a command line within this process and keeps its output. */
export async function runCaptured(
  args: readonly string[],
  surroundings: Surroundings = {},
): Promise<Captured> {
  const { stdin = '', stdout = new Sink(), stderr = new Sink(), env = {}, signal } = surroundings;
  const input = typeof stdin === 'string' ? Readable.from(stdin === '' ? [] : [Buffer.from(stdin)]) : stdin;
  const exit = await run(args, { stdin: input, stdout, stderr }, env, signal);
  return { exit, stdout: stdout.text(), stderr: stderr.text() };
}
