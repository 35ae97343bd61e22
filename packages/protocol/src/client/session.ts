import type { Duplex } from 'node:stream';
import type { Command } from '../commands.js';
import { encodeCommand } from '../encode-command.js';
import { ReceptorError } from '../errors.js';
import { errorOfReply } from '../remote-error.js';
import { aborted, LineReader } from './lines.js';
import type { Transport } from './transport.js';

/** One connection to a control service: commands one after another, each with its reply (reference: control, 1). */
export class ControlSession {
  /** The node that answers, from its greeting. */
  readonly nodeId: string;
  readonly #stream: Duplex;
  readonly #lines: LineReader;
  #last: Promise<unknown> = Promise.resolve();

  private constructor(stream: Duplex, lines: LineReader, nodeId: string) {
    this.#stream = stream;
    this.#lines = lines;
    this.nodeId = nodeId;
  }

  /**
   * Connects and reads the greeting.
   * @throws ReceptorError what the transport throws; `RECEPTOR_PROTOCOL` when whoever answers is no control service.
   */
  static async open(transport: Transport, signal?: AbortSignal): Promise<ControlSession> {
    const stream = await transport(signal);
    return greeted(stream, signal, (lines, nodeId) => new ControlSession(stream, lines, nodeId));
  }

  /**
   * Sends a command and returns its reply, parsed. Calls may overlap; each gets its own reply.
   * @throws ReceptorError with the code of what the daemon answered; `RECEPTOR_CONNECTION_LOST`, `RECEPTOR_ABORTED`
   * (the session cannot be used after that), `RECEPTOR_PROTOCOL` when the reply is not JSON.
   */
  command<Reply>(command: Command, signal?: AbortSignal): Promise<Reply> {
    return this.#inTurn(async () => {
      const line = await this.#ask(encodeCommand(command), signal);
      try {
        return JSON.parse(line) as Reply;
      } catch (cause) {
        throw new ReceptorError('RECEPTOR_PROTOCOL', `the reply is not JSON: ${line.slice(0, 200)}`, {
          cause,
        });
      }
    });
  }

  /** Sends a command whose reply is a line of text, after which the stream is the caller's: submit, results, connect. */
  async hand(
    command: Command,
    signal?: AbortSignal,
  ): Promise<{ line: string; lines: LineReader; stream: Duplex }> {
    const line = await this.#inTurn(() => this.#ask(encodeCommand(command), signal));
    return { line, lines: this.#lines, stream: this.#stream };
  }

  /** Whether another command can be sent. */
  get usable(): boolean {
    return !this.#stream.destroyed && this.#stream.writable && !this.#stream.readableEnded;
  }

  /** Ends the connection. */
  close(): void {
    this.#stream.destroy();
  }

  async #ask(line: string, signal: AbortSignal | undefined): Promise<string> {
    if (signal?.aborted) throw aborted(signal);
    this.#stream.write(line);
    try {
      const reply = await this.#lines.next(signal);
      const error = errorOfReply(reply);
      if (error) throw error;
      return reply;
    } catch (error) {
      // The reply of an abandoned command would be taken for the next one's.
      if (error instanceof ReceptorError && error.code === 'RECEPTOR_ABORTED') this.close();
      throw error;
    }
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#last.then(work);
    this.#last = mine.catch(() => {});
    return mine;
  }
}

async function greeted<T>(
  stream: Duplex,
  signal: AbortSignal | undefined,
  then: (lines: LineReader, nodeId: string) => T,
): Promise<T> {
  // Whoever reads or writes learns of it; nobody else has to.
  stream.on('error', () => {});
  const lines = new LineReader(stream);
  try {
    return then(lines, nodeOfGreeting(await lines.next(signal)));
  } catch (error) {
    stream.destroy();
    throw error;
  }
}

function nodeOfGreeting(line: string): string {
  const nodeId = /^Receptor Control, node (.+)$/.exec(line)?.[1];
  if (nodeId === undefined)
    throw new ReceptorError('RECEPTOR_PROTOCOL', 'Failed to connect to Receptor socket');
  return nodeId;
}
