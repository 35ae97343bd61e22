import { once } from 'node:events';
import { createReadStream, createWriteStream } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { pipeline } from 'node:stream/promises';
import type { OutputReport } from './output/index.js';

/** The first address by which another host could reach this one. */
function ownAddress(): string {
  for (const addresses of Object.values(networkInterfaces())) {
    const found = addresses?.find((each) => !each.internal && each.family === 'IPv4');
    if (found) return found.address;
  }
  return '127.0.0.1';
}

/** What an exchange with the pod needs. */
export interface ExchangeOptions {
  stdinPath: string;
  stdoutPath: string;
  /** Resolves when the worker has ended. */
  ended: Promise<void>;
  signal: AbortSignal;
  onOutput(): void;
  onStdinSent(): void;
}

/** How long a connection may take that a pod has begun before it ended, and be silent after that. */
const LATE_MS = 5_000;
const KEEP_ALIVE_MS = 30_000;

/**
 * A port that a pod calls back, with `streammethod: tcp` (reference: kubernetes, 6). The first connection is it: it is
 * given the payload, half-closed, and what it sends until its end is the output.
 */
export class PodCallback {
  readonly #server: Server;
  readonly #connection: Promise<Socket>;
  /** For the worker: where to call. */
  readonly environment: { RECEPTOR_HOST: string; RECEPTOR_PORT: string };

  private constructor(server: Server, host: string, port: number) {
    this.#server = server;
    this.environment = { RECEPTOR_HOST: host, RECEPTOR_PORT: String(port) };
    this.#connection = new Promise((resolve) => {
      server.on('connection', (socket: Socket) => {
        socket.on('error', () => {}); // who uses it sees it as well
        resolve(socket);
        server.close();
      });
    });
  }

  /** @throws Error `Error listening: …` */
  static async listen(): Promise<PodCallback> {
    const host = ownAddress();
    const server = createServer({ allowHalfOpen: true });
    server.listen(0, host);
    try {
      await once(server, 'listening');
    } catch (error) {
      throw new Error(`Error listening: ${(error as Error).message}`);
    }
    const address = server.address();
    return new PodCallback(server, host, typeof address === 'object' && address ? address.port : 0);
  }

  /** Waits for the pod, sends it the payload and writes down what it says. */
  async exchange(options: ExchangeOptions): Promise<OutputReport> {
    const { stdinPath, stdoutPath, ended, signal } = options;
    const failed = (stdin: OutputReport['stdin'], text: string, error: unknown): OutputReport => ({
      bytes: 0,
      gaps: [],
      notes: [],
      stdin,
      error: new Error(`${text}: ${error instanceof Error ? error.message : String(error)}`),
    });
    const late = ended.then(
      () => new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), LATE_MS).unref()),
    );
    const aborted = new Promise<undefined>((resolve) => {
      signal.addEventListener('abort', () => resolve(undefined), { once: true });
    });
    const socket = await Promise.race([this.#connection, late, aborted]);
    signal.throwIfAborted();
    // Nothing else would end the reading of a pod that says nothing.
    void aborted.then(() => socket?.destroy());
    if (!socket) return failed('none', 'Error accepting', 'the worker ended without having connected');
    // A pod whose node is lost ends no connection.
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    socket.on('timeout', () => socket.destroy(new Error('the connection did not end with the worker')));
    void ended.then(() => socket.setTimeout(LATE_MS));
    let sent = false;
    const sending = pipeline(createReadStream(stdinPath), socket, { signal, end: true }).then(() => {
      sent = true;
      options.onStdinSent();
    });
    const output = createWriteStream(stdoutPath, { flags: 'a', mode: 0o600 });
    const reading = (async () => {
      for await (const chunk of socket as AsyncIterable<Buffer>) {
        if (!output.write(chunk)) await once(output, 'drain', { signal });
        options.onOutput();
      }
      output.end();
      await once(output, 'close');
    })();
    const [sendResult, readResult] = await Promise.allSettled([sending, reading]);
    socket.destroy();
    output.destroy();
    signal.throwIfAborted();
    if (readResult.status === 'rejected') {
      return failed(sent ? 'sent' : 'none', 'Error reading stdout from pod', readResult.reason);
    }
    if (sendResult.status === 'rejected') {
      return failed('failed', 'Error sending stdin to pod', sendResult.reason);
    }
    return { bytes: output.bytesWritten, gaps: [], notes: [], stdin: 'sent' };
  }

  close(): void {
    this.#server.close();
    void this.#connection.then((socket) => socket.destroy());
  }
}
