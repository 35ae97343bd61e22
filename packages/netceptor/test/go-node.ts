import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** The Go daemon to be compared with; tests that need one are skipped without it. */
export const RECEPTOR_GO = process.env.RECEPTOR_GO;
/** What a skipped suite says. */
export const SKIPPED = RECEPTOR_GO ? '' : ' (skipped: RECEPTOR_GO does not name a Go daemon)';

/** A running Go daemon. */
export class GoNode {
  readonly #process: ChildProcess;
  readonly #directory: string;
  readonly #log: string[] = [];
  readonly #watchers = new Set<() => void>();
  exited: number | string | undefined;

  private constructor(directory: string) {
    this.#directory = directory;
    this.#process = spawn(RECEPTOR_GO ?? '', ['--config', join(directory, 'node.yml')], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.#process.stdout, this.#process.stderr])
      if (stream)
        createInterface(stream).on('line', (line) => {
          this.#log.push(line);
          for (const look of this.#watchers) look();
        });
    this.#process.once('exit', (code, signal) => {
      this.exited = code ?? signal ?? 0;
      for (const look of this.#watchers) look();
    });
  }

  /** Starts a daemon with a control socket and these further sections of its configuration (YAML list items). */
  static async start(id: string, sections: string, files: Record<string, string> = {}): Promise<GoNode> {
    const directory = mkdtempSync(join(tmpdir(), 'go-'));
    for (const [name, text] of Object.entries(files))
      writeFileSync(join(directory, name), text, { mode: 0o600 });
    writeFileSync(
      join(directory, 'node.yml'),
      `---\n- node:\n    id: ${id}\n    datadir: ${directory}/data\n- log-level: debug\n` +
        `- control-service:\n    service: control\n    filename: ${directory}/control.sock\n` +
        sections.replaceAll('DIR', directory),
    );
    const node = new GoNode(directory);
    await node.logged('Initialization complete');
    return node;
  }

  get log(): string {
    return this.#log.join('\n');
  }

  /** Resolves when a line with that text has been logged. */
  async logged(text: string): Promise<void> {
    while (!this.#log.some((line) => line.includes(text))) {
      if (this.exited !== undefined) throw new Error(`the Go node has ended (${this.exited}):\n${this.log}`);
      await new Promise<void>((resolve) => {
        const look = () => {
          this.#watchers.delete(look);
          resolve();
        };
        this.#watchers.add(look);
      });
    }
  }

  /** The answer to a command of the control service. */
  async command(line: string): Promise<Record<string, unknown>> {
    const socket = connect(join(this.#directory, 'control.sock'));
    const lines = createInterface(socket);
    socket.write(`${line}\n`);
    try {
      for await (const answer of lines) {
        if (answer.startsWith('Receptor Control')) continue;
        if (answer.startsWith('ERROR')) return { error: answer };
        return JSON.parse(answer) as Record<string, unknown>;
      }
      throw new Error('no answer');
    } finally {
      socket.destroy();
    }
  }

  /** A stream to a service of the mesh, through the daemon's control service. */
  async connect(node: string, service: string) {
    const socket = connect({ path: join(this.#directory, 'control.sock'), allowHalfOpen: true });
    socket.write(`connect ${node} ${service}\n`);
    // The greeting, and the word that the stream is there; what came along with it is the stream's.
    const word = 'Connecting\n';
    let said = Buffer.alloc(0);
    while (!said.includes(word)) {
      const [chunk] = (await once(socket, 'data')) as [Buffer];
      said = Buffer.concat([said, chunk]);
      if (said.includes('ERROR')) throw new Error(said.toString());
    }
    socket.pause();
    const rest = said.subarray(said.indexOf(word) + word.length);
    if (rest.length > 0) socket.unshift(rest);
    return socket;
  }

  async stop(): Promise<void> {
    if (this.exited === undefined) {
      const exit = once(this.#process, 'exit');
      this.#process.kill('SIGKILL');
      await exit;
    }
    rmSync(this.#directory, { recursive: true, force: true });
  }
}
