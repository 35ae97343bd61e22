import type { Duplex } from 'node:stream';
import { type Command, encodeCommand, errorFromReply, isErrorLine, ReceptorError } from '@receptor/protocol';
import type { RemoteAccess } from './access.js';
import { Doubt } from './doubt.js';
import type { RemoteTarget } from './extra-data.js';

/** How long a node may take to answer a dial and to greet. */
const OPEN_MS = 10_000;
/** How long a node may take to answer a command. */
const REPLY_MS = 20_000;
const MAX_LINE = 4 * 1024 * 1024;

/** What a node of ours can do that a Go node cannot; see {@link RemoteSession.abilities}. */
export const ABILITIES = ['follow', 'idempotencykey', 'thenfollow'] as const;

/** A connection to the control service of another node. Every byte of it is read and written here. */
export class RemoteSession {
  readonly #stream: Duplex;
  readonly #signal: AbortSignal;
  readonly #onAbort: () => void;
  readonly #doubt: Doubt;
  #rest: Buffer = Buffer.alloc(0);

  private constructor(stream: Duplex, access: RemoteAccess, node: string, signal: AbortSignal) {
    this.#stream = stream;
    this.#signal = signal;
    this.#onAbort = () => stream.destroy();
    this.#doubt = new Doubt(access, node, () =>
      stream.destroy(new Error('the node was away and does not know of it')),
    );
    stream.once('close', () => this.#doubt.end());
    stream.on('error', () => undefined);
    signal.addEventListener('abort', this.#onAbort, { once: true });
    if (signal.aborted) stream.destroy();
  }

  /**
   * Connects and reads the greeting. Close the session when it is done with.
   * @param signal ends the session, whatever it is doing
   * @throws ReceptorError `RECEPTOR_CONNECT_FAILED`, or the reason of the signal
   */
  static async open(
    access: RemoteAccess,
    { RemoteNode, TLSClient }: RemoteTarget,
    signal: AbortSignal,
  ): Promise<RemoteSession> {
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), OPEN_MS);
    const doubt = new Doubt(access, RemoteNode, () => late.abort());
    let session: RemoteSession | undefined;
    try {
      session = new RemoteSession(
        await access.dial(RemoteNode, TLSClient, AbortSignal.any([signal, late.signal])),
        access,
        RemoteNode,
        signal,
      );
      const line = await session.readLine(OPEN_MS);
      if (!line.startsWith('Receptor Control, node ') || !line.includes(RemoteNode))
        throw new Error(`while expecting node ID ${RemoteNode}, got message: ${line.slice(0, 200)}`);
      return session;
    } catch (error) {
      session?.close();
      signal.throwIfAborted();
      const text = late.signal.aborted ? 'the node does not answer' : messageOf(error);
      throw new ReceptorError('RECEPTOR_CONNECT_FAILED', text, { cause: error });
    } finally {
      clearTimeout(timer);
      doubt.end();
    }
  }

  /** What the node can do beyond a Go node, which answers with a status without members. */
  async abilities(): Promise<ReadonlySet<string>> {
    const reply = await this.request({ command: 'status', requestedFields: ['Abilities'] });
    let abilities: unknown;
    try {
      abilities = (JSON.parse(reply) as { Abilities?: unknown }).Abilities;
    } catch {
      // Whoever answers that can do nothing special.
    }
    return new Set(Array.isArray(abilities) ? abilities.filter((each) => typeof each === 'string') : []);
  }

  /**
   * Sends a command and reads the first line of its reply.
   * @throws ReceptorError what the node answered, or that the connection was lost
   */
  async request(command: Command): Promise<string> {
    await this.write(encodeCommand(command));
    const line = await this.readLine(REPLY_MS);
    if (isErrorLine(line)) throw errorFromReply(line);
    return line;
  }

  /** Writes, with backpressure. @throws ReceptorError `RECEPTOR_CONNECTION_LOST` */
  async write(data: string | Buffer): Promise<void> {
    if (this.#stream.destroyed || this.#stream.writableEnded) throw this.#lost();
    if (this.#stream.write(data)) return;
    await this.#until(['drain', 'close', 'error']);
    if (this.#stream.destroyed) throw this.#lost();
    this.#doubt.prolong();
  }

  /** Ends the sending side; resolves when the other side has got every byte, or that will not be known. */
  async endInput(): Promise<void> {
    const stream = this.#stream;
    stream.end();
    // A node may also answer at once, and end the connection without having said that it got the end.
    while (!stream.writableFinished && !stream.destroyed && stream.readableLength === 0)
      await this.#until(['finish', 'readable', 'close', 'error']);
    this.#doubt.prolong();
  }

  /**
   * The next line, without its newline.
   * @param timeoutMs how long it may take
   * @throws ReceptorError `RECEPTOR_CONNECTION_LOST`, `RECEPTOR_PROTOCOL`
   */
  async readLine(timeoutMs: number): Promise<string> {
    const parts: Buffer[] = [];
    let length = 0;
    const end = Date.now() + timeoutMs;
    for (;;) {
      const chunk = await this.#chunk(end - Date.now());
      if (chunk === undefined) throw this.#lost();
      const newline = chunk.indexOf(10);
      parts.push(newline < 0 ? chunk : chunk.subarray(0, newline));
      length += newline < 0 ? chunk.length : newline;
      if (length > MAX_LINE)
        throw new ReceptorError('RECEPTOR_PROTOCOL', `a reply is longer than ${MAX_LINE} bytes`);
      if (newline < 0) continue;
      this.#rest = chunk.subarray(newline + 1);
      return Buffer.concat(parts).toString();
    }
  }

  /**
   * The next bytes, at most so many; undefined at the end.
   * @throws ReceptorError `RECEPTOR_CONNECTION_LOST`
   */
  async read(atMost: number, timeoutMs: number): Promise<Buffer | undefined> {
    const chunk = await this.#chunk(timeoutMs);
    if (chunk === undefined || chunk.length <= atMost) return chunk;
    this.#rest = chunk.subarray(atMost);
    return chunk.subarray(0, atMost);
  }

  /** Ends the connection. */
  close(): void {
    this.#signal.removeEventListener('abort', this.#onAbort);
    this.#doubt.end();
    this.#stream.destroy();
  }

  /** Whatever has arrived next. */
  async #chunk(timeoutMs: number): Promise<Buffer | undefined> {
    if (this.#rest.length > 0) {
      const rest = this.#rest;
      this.#rest = Buffer.alloc(0);
      return rest;
    }
    const stream = this.#stream;
    for (;;) {
      const chunk = stream.read() as Buffer | null;
      if (chunk !== null) {
        this.#doubt.dispel();
        return chunk;
      }
      if (stream.readableEnded) return undefined;
      if (stream.destroyed) throw this.#lost();
      if (!(await this.#until(['readable', 'end', 'close', 'error'], timeoutMs)))
        throw new ReceptorError('RECEPTOR_CONNECTION_LOST', 'the node does not answer any more');
    }
  }

  #lost(): ReceptorError {
    this.#signal.throwIfAborted();
    const why = this.#stream.errored ? `: ${this.#stream.errored.message}` : '';
    return new ReceptorError('RECEPTOR_CONNECTION_LOST', `the connection was lost${why}`);
  }

  /** Waits for the first of the events; false when the time was up. */
  #until(events: readonly string[], timeoutMs?: number): Promise<boolean> {
    const stream = this.#stream;
    return new Promise((resolve) => {
      const settle = (inTime: boolean) => {
        clearTimeout(timer);
        for (const event of events) stream.off(event, onEvent);
        resolve(inTime);
      };
      const onEvent = () => settle(true);
      const timer = timeoutMs === undefined ? undefined : setTimeout(settle, Math.max(timeoutMs, 0), false);
      for (const event of events) stream.on(event, onEvent);
    });
  }
}

/** Whether an error says that the node cannot be reached, or not any more; another try may do better. */
export function isLoss(error: unknown): boolean {
  if (!(error instanceof ReceptorError)) return false;
  if (error.code === 'RECEPTOR_REMOTE') return TEMPORARY.test(error.message);
  return error.code === 'RECEPTOR_CONNECT_FAILED' || error.code === 'RECEPTOR_CONNECTION_LOST';
}

/** What a node answers that starts, ends, or has too much to do. */
const TEMPORARY =
  /^(?:too many connections to the control service|work service is not running|the control service ended)/;

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
