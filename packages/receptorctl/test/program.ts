import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** The program as it is built. */
export const receptorctl = fileURLToPath(new URL('../bin/receptorctl.js', import.meta.url));

/** Whether there is util-linux's `script`, which gives a program a terminal. */
export const hasTerminal = spawnSync('script', ['--version'], { encoding: 'utf8' }).stdout?.includes(
  'util-linux',
);

/** A process whose output is kept while it runs. */
export class Running {
  readonly child: ChildProcessWithoutNullStreams;
  readonly #out: Buffer[] = [];
  readonly #err: Buffer[] = [];
  readonly #closed: Promise<unknown>;

  private constructor(command: string, args: readonly string[], env: NodeJS.ProcessEnv) {
    this.child = spawn(command, args, { env: { ...process.env, NO_COLOR: undefined, ...env } });
    this.child.stdin.on('error', () => {});
    this.child.stdout.on('data', (chunk) => this.#out.push(chunk));
    this.child.stderr.on('data', (chunk) => this.#err.push(chunk));
    this.#closed = once(this.child, 'close');
  }

  /** Runs the program with pipes. */
  static program(args: readonly string[], env: NodeJS.ProcessEnv = {}): Running {
    return new Running(receptorctl, args, env);
  }

  /** Runs a line of sh with pipes. */
  static shell(line: string, env: NodeJS.ProcessEnv = {}): Running {
    return new Running('sh', ['-c', line], { R: receptorctl, ...env });
  }

  /** Runs a line of sh in a terminal of 80 columns, whose keyboard is the standard input; `$R` is the program. */
  static terminal(line: string, env: NodeJS.ProcessEnv = {}): Running {
    const args = ['-qec', `stty cols 80 rows 24; ${line}`, '/dev/null'];
    return new Running('script', args, { SHELL: '/bin/sh', R: receptorctl, ...env });
  }

  get stdout(): Buffer {
    return Buffer.concat(this.#out);
  }

  /** What a terminal shows, but for the echo of Ctrl-D, which it takes back. */
  get screen(): string {
    return this.stdout.toString().replaceAll('\r\n', '\n').replaceAll('^D\b\b', '');
  }

  get stderr(): string {
    return Buffer.concat(this.#err).toString();
  }

  /** Waits until the output has a text. */
  async said(text: string): Promise<void> {
    while (!this.stdout.includes(text)) {
      if (this.child.stdout.readableEnded)
        throw new Error(`never said ${text}: ${this.stdout}${this.stderr}`);
      await once(this.child.stdout, 'data');
    }
  }

  type(keys: string): void {
    this.child.stdin.write(keys);
  }

  /** Waits for the end. @returns the exit code, or the name of the signal. */
  async end(): Promise<number | string | null> {
    await this.#closed;
    return this.child.exitCode ?? this.child.signalCode;
  }
}
