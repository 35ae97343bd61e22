import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

type Command = readonly [string, ...string[]];

/** What starts a daemon of ours. */
export const OURS: Command = [
  process.execPath,
  fileURLToPath(new URL('../../../bin/receptor.js', import.meta.url)),
];

/** Why no network namespaces with tun devices can be made here; empty when they can. */
export const NO_NAMESPACES = whyNot();

function whyNot(): string {
  if (process.platform !== 'linux') return ' (skipped: needs Linux)';
  if (process.getuid?.() !== 0) return ' (skipped: needs root)';
  if (!existsSync('/dev/net/tun')) return ' (skipped: needs /dev/net/tun)';
  try {
    execFileSync('unshare', ['--net', 'ip', 'link'], { stdio: 'ignore' });
    return '';
  } catch {
    return ' (skipped: needs the programs unshare and ip, and the right to make network namespaces)';
  }
}

/** A network for itself, as a machine of its own has it. It is gone when its processes are. */
export class Namespace {
  readonly #holder: ChildProcess;

  private constructor(holder: ChildProcess) {
    this.#holder = holder;
  }

  static async make(): Promise<Namespace> {
    const script = 'ip link set lo up && echo ready && exec cat';
    const holder = spawn('unshare', ['--net', 'sh', '-c', script], { stdio: ['pipe', 'pipe', 'inherit'] });
    if (holder.stdout) await once(holder.stdout, 'data');
    return new Namespace(holder);
  }

  /** Lays a cable to another one, with these addresses at its ends. */
  link(other: Namespace, here: string, there: string): void {
    const peer = ['peer', 'name', 'cable', 'netns', String(other.#holder.pid)];
    this.ip('link', 'add', 'cable', 'type', 'veth', ...peer);
    for (const [namespace, address] of [
      [this, here],
      [other, there],
    ] as const) {
      namespace.ip('address', 'add', address, 'dev', 'cable');
      namespace.ip('link', 'set', 'cable', 'up');
    }
  }

  /** What the program `ip` says. */
  ip(...args: string[]): string {
    return execFileSync('nsenter', [...this.#enter(), 'ip', ...args], { encoding: 'utf8' });
  }

  spawn(command: string, args: readonly string[]): ChildProcess {
    return spawn('nsenter', [...this.#enter(), command, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  }

  async close(): Promise<void> {
    const exit = once(this.#holder, 'exit');
    this.#holder.stdin?.end();
    await exit;
  }

  #enter(): string[] {
    return [`--net=/proc/${this.#holder.pid}/ns/net`, '--'];
  }
}

/** A process in a namespace, and what it says. */
export class Inside {
  readonly #process: ChildProcess;
  readonly #exit: Promise<unknown>;
  readonly #directory = mkdtempSync(join(tmpdir(), 'receptor-'));
  #said = '';
  #look = () => {};

  private constructor(start: (directory: string) => ChildProcess) {
    this.#process = start(this.#directory);
    this.#exit = once(this.#process, 'exit').finally(() => this.#look());
    for (const stream of [this.#process.stdout, this.#process.stderr])
      if (stream)
        createInterface(stream).on('line', (line) => {
          this.#said += `${line}\n`;
          this.#look();
        });
  }

  /** Starts a daemon with this configuration. @param command that starts it, ours unless told otherwise */
  static async daemon(
    namespace: Namespace,
    id: string,
    sections: string,
    [command, ...args]: Command = OURS,
  ): Promise<Inside> {
    const inside = new Inside((directory) => {
      const file = join(directory, 'node.yml');
      const node = `- node: {id: ${id}, datadir: ${directory}/data}\n- log-level: debug\n`;
      writeFileSync(file, node + sections);
      return namespace.spawn(command, [...args, '--config', file]);
    });
    try {
      await inside.says('Initialization complete');
      return inside;
    } catch (error) {
      await inside.end();
      throw error;
    }
  }

  /** Runs a module of Node. */
  static node(namespace: Namespace, script: string): Inside {
    return new Inside(() => namespace.spawn(process.execPath, ['--input-type=module', '-e', script]));
  }

  /** Resolves once it has said this. */
  async says(words: string): Promise<void> {
    while (!this.#said.includes(words)) {
      if (this.#process.exitCode !== null || this.#process.signalCode !== null)
        throw new Error(`has ended without saying ${words}:\n${this.#said}`);
      await new Promise<void>((resolve) => {
        this.#look = resolve;
      });
    }
  }

  /** Ends it, and resolves with what it has said. */
  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<string> {
    this.#process.kill(signal);
    await this.#exit;
    rmSync(this.#directory, { recursive: true, force: true });
    return this.#said;
  }
}
