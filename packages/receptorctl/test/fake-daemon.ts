import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Command, parseCommandLine } from '@receptor/protocol';
import type { CapturedRun } from './vectors.js';

/** One connection, as its handler sees it: what the client sends, taken in lines or whole. */
export class Conversation {
  readonly socket: Socket;
  readonly #reader: AsyncIterator<Buffer>;
  #rest = Buffer.alloc(0);

  constructor(socket: Socket) {
    this.socket = socket;
    this.#reader = socket.iterator({ destroyOnReturn: false });
  }

  send(text: string | Uint8Array): void {
    this.socket.write(text);
  }

  /** The next line without its newline, or undefined at the end of what the client sends. */
  async line(): Promise<string | undefined> {
    for (;;) {
      const end = this.#rest.indexOf(10);
      if (end >= 0) {
        const line = this.#rest.subarray(0, end).toString();
        this.#rest = this.#rest.subarray(end + 1);
        return line;
      }
      const next = await this.#reader.next();
      if (next.done) return undefined;
      this.#rest = Buffer.concat([this.#rest, next.value]);
    }
  }

  /** The next command, whichever of the two forms it has. */
  async command(): Promise<Command | undefined> {
    const line = await this.line();
    return line === undefined ? undefined : parseCommandLine(line);
  }

  /** Everything until the client ends its side. */
  async toEnd(): Promise<Buffer> {
    const chunks: Buffer[] = [this.#rest];
    for (let next = await this.#reader.next(); !next.done; next = await this.#reader.next()) {
      chunks.push(next.value);
    }
    this.#rest = Buffer.alloc(0);
    return Buffer.concat(chunks);
  }
}

type Handler = (conversation: Conversation, index: number) => Promise<void>;

/** A control service whose every word a test decides. */
export class FakeDaemon implements AsyncDisposable {
  readonly path: string;
  readonly #directory: string;
  readonly #server = createServer({ allowHalfOpen: true });
  readonly #sockets = new Set<Socket>();
  /** What went wrong in handlers; a test ends with this empty. */
  readonly failures: unknown[] = [];
  connections = 0;

  private constructor(directory: string) {
    this.#directory = directory;
    this.path = join(directory, 'control.sock');
  }

  static async start(handler: Handler): Promise<FakeDaemon> {
    const daemon = new FakeDaemon(await mkdtemp(join(tmpdir(), 'receptorctl-test-')));
    daemon.#server.on('connection', (socket) => {
      daemon.#sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => daemon.#sockets.delete(socket));
      handler(new Conversation(socket), daemon.connections++).catch((error) => daemon.failures.push(error));
    });
    await new Promise<void>((resolve) => daemon.#server.listen(daemon.path, resolve));
    return daemon;
  }

  /** Connections that are still open on the daemon's side. */
  get open(): number {
    return this.#sockets.size;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
    await rm(this.#directory, { recursive: true });
  }
}

/** Greets, and answers the question for the version that every run begins with. */
export async function greet(conversation: Conversation, version: string): Promise<void> {
  conversation.send('Receptor Control, node foo\n');
  const asked = await conversation.command();
  if (asked?.command !== 'status' || String(asked.requestedFields) !== 'Version') {
    throw new Error(`asked for ${JSON.stringify(asked)} instead of the version`);
  }
  conversation.send(`{"Version":"${version}"}\n`);
}

const isPayload = (text: string) => !/^(\{|work |status|ping|traceroute|reload|connect)/.test(text);

/** A daemon that says what the real one said in a captured run, to a client that must say what the Python one said. */
export function replay(run: CapturedRun, version: string): Promise<FakeDaemon> {
  return FakeDaemon.start(async (conversation, index) => {
    const steps = run.connections?.[index];
    if (!steps) throw new Error(`connection ${index} was not expected`);
    let submitting = false;
    for (const { from, text, eof } of steps) {
      if (from === 'server') {
        if (eof) conversation.socket.end();
        else conversation.send(text?.replaceAll('1.6.9', version) ?? '');
      } else if (text === undefined || isPayload(text)) {
        // Where the client's end means nothing to a daemon, it may come later than the Python client's.
        if (!submitting) continue;
        const payload = (await conversation.toEnd()).toString();
        if (text !== undefined && payload !== text) throw new Error(`payload ${JSON.stringify(payload)}`);
        submitting = text !== undefined;
      } else {
        const [expected, actual] = [parseCommandLine(text), await conversation.command()];
        submitting = expected?.command === 'work' && expected.subcommand === 'submit';
        if (JSON.stringify(actual) !== JSON.stringify(expected)) {
          throw new Error(`${JSON.stringify(actual)} instead of ${JSON.stringify(expected)}`);
        }
      }
    }
  });
}
