import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect } from 'vitest';
import { ReceptorClient, type ReceptorError } from '../src/index.js';

/** The server's side of a connection. */
export class Peer {
  readonly socket: Socket;
  readonly #chunks: AsyncIterator<Buffer>;
  #text = '';

  constructor(socket: Socket) {
    this.socket = socket;
    this.#chunks = socket.iterator({ destroyOnReturn: false });
  }

  /** The next line; undefined at the end. */
  async line(): Promise<string | undefined> {
    while (!this.#text.includes('\n')) {
      const { done, value } = await this.#chunks.next();
      if (done) return undefined;
      this.#text += value.toString('latin1');
    }
    const end = this.#text.indexOf('\n') + 1;
    const line = this.#text.slice(0, end);
    this.#text = this.#text.slice(end);
    return line;
  }

  /** Everything up to the half-close. */
  async rest(): Promise<Buffer> {
    const parts: Buffer[] = [Buffer.from(this.#text, 'latin1')];
    for (let next = await this.#chunks.next(); !next.done; next = await this.#chunks.next())
      parts.push(next.value);
    return Buffer.concat(parts);
  }
}

/** A control service whose every word a test decides, on a Unix socket. */
export class ScriptedServer implements AsyncDisposable {
  readonly directory: string;
  /** The socket's path. */
  readonly path: string;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  /** The number of connections made so far. */
  connections = 0;

  private constructor(directory: string) {
    this.directory = directory;
    this.path = join(directory, 's');
  }

  static async create(): Promise<ScriptedServer> {
    return new ScriptedServer(await mkdtemp(join(tmpdir(), 'receptor-client-')));
  }

  /** Serves every connection with the greeting and a conversation. */
  async serve(talk: (peer: Peer) => Promise<void>, greeting = 'Receptor Control, node foo\n'): Promise<void> {
    this.#server = createServer({ allowHalfOpen: true }, (socket) => {
      this.connections++;
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
      socket.on('error', () => {});
      socket.write(greeting);
      talk(new Peer(socket)).then(
        () => socket.end(),
        () => socket.destroy(),
      );
    });
    this.#server.listen(this.path);
    await once(this.#server, 'listening');
  }

  /** Connections that are open. */
  get open(): number {
    return this.#sockets.size;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server?.close();
    await rm(this.directory, { recursive: true });
  }
}

/** The error of a promise that must fail. */
export async function failure(promise: Promise<unknown>): Promise<ReceptorError> {
  return promise.then(
    () => expect.fail('did not fail'),
    (error: ReceptorError) => error,
  );
}

/** The reply to `work status` for a unit that succeeded with so many bytes of output. */
export const SUCCEEDED = (size: number) =>
  `{"Detail":"exit status 0","ExtraData":null,"State":2,"StateName":"Succeeded","StdoutSize":${size},"WorkType":"cat"}\n`;

/** Gives each test of a file a server of its own, and a client of that. */
export function eachTest(use: (server: ScriptedServer, client: ReceptorClient) => void): void {
  let end = async (): Promise<void> => {};
  beforeEach(async () => {
    const server = await ScriptedServer.create();
    const client = new ReceptorClient(server.path);
    end = async () => {
      client.close();
      await server[Symbol.asyncDispose]();
    };
    use(server, client);
  });
  afterEach(() => end());
}
