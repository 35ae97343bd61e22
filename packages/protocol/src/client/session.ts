import type { Duplex } from 'node:stream';
import type { Command, ConnectCommand, WorkResultsCommand, WorkSubmitCommand } from '../commands.js';
import { encodeCommand } from '../encode-command.js';
import { ReceptorError } from '../errors.js';
import type { SubmitReply } from '../replies.js';
import { errorFromReply, isErrorLine } from '../reply-error.js';
import { aborted, anySignal, readable } from './io.js';
import { type OpenPayload, openPayload, type Payload, writePayload } from './payload.js';

/** The longest reply that is accepted, in bytes, where nothing else is said. */
export const DEFAULT_MAX_REPLY = 64 * 1024 * 1024;

/** What happens while a unit is submitted. */
export interface SubmitEvents {
  /** Told the unit's ID as soon as it is known, before the payload is sent. */
  onUnit?: (unitId: string) => void;
  /** Told how many bytes of the payload the connection has taken. */
  onProgress?: (bytes: number) => void;
  /** Called when the payload cannot be sent whole, before the connection ends: the end would start the unit. */
  giveUp?: (unitId: string) => Promise<void>;
  signal?: AbortSignal;
}

/**
 * One connection to a control service: the dialogue of the reference (control, 1 to 8), one command at a time.
 * A submit, a stream of results and a connected service use the connection up.
 */
export class ControlSession {
  readonly #stream: Duplex;
  readonly #maxReply: number;
  /** Node ID that the server greeted with. */
  readonly nodeId: string;
  #inStep = true;

  private constructor(stream: Duplex, nodeId: string, maxReply: number) {
    this.#stream = stream;
    this.nodeId = nodeId;
    this.#maxReply = maxReply;
  }

  /**
   * Reads the greeting on a connection; destroys it when there is none.
   * @throws ReceptorError `RECEPTOR_PROTOCOL`, `RECEPTOR_CONNECTION_LOST`, `RECEPTOR_ABORTED`.
   */
  static async start(
    stream: Duplex,
    options: { maxReply?: number; signal?: AbortSignal } = {},
  ): Promise<ControlSession> {
    stream.on('error', ignore);
    return guarded(stream, options.signal, async () => {
      const line = await readLine(stream, 65_536);
      const [, nodeId] = /^Receptor Control, node (.+)$/.exec(line) ?? [];
      if (nodeId === undefined)
        throw new ReceptorError('RECEPTOR_PROTOCOL', 'Failed to connect to Receptor socket');
      return new ControlSession(stream, nodeId, options.maxReply ?? DEFAULT_MAX_REPLY);
    });
  }

  /** Whether another command can be sent. */
  get usable(): boolean {
    return this.#inStep && !this.#stream.destroyed && !this.#stream.readableEnded;
  }

  /**
   * Sends a command that is answered by one line of JSON.
   * @throws ReceptorError what the server answered; `RECEPTOR_CONNECTION_LOST`, `RECEPTOR_PROTOCOL`, `RECEPTOR_ABORTED`.
   */
  async request(command: Command, signal?: AbortSignal): Promise<Record<string, unknown>> {
    return parseReply(await this.#ask(encodeCommand(command), signal));
  }

  /** Asks for a unit's output; the answer is the output itself, until its end. See {@link request} for what it throws. */
  async results(command: WorkResultsCommand, signal?: AbortSignal): Promise<Duplex> {
    return this.#takeOver(command, /^Streaming results for work unit /, signal);
  }

  /** Connects to a service of the mesh; the answer is the connection. See {@link request} for what it throws. */
  async connect(command: ConnectCommand, signal?: AbortSignal): Promise<Duplex> {
    const stream = await this.#takeOver(command, /^Connecting$/, signal);
    stream.off('error', ignore);
    return stream;
  }

  /**
   * Submits work and its payload. Ends the connection.
   * @throws ReceptorError what the server answered (`RECEPTOR_WORK_START_FAILED` where a unit exists and the text has no
   *   code of its own); `RECEPTOR_PAYLOAD`, `RECEPTOR_CONNECTION_LOST`, `RECEPTOR_PROTOCOL`, `RECEPTOR_ABORTED`.
   */
  async submit(
    command: WorkSubmitCommand,
    payload: Payload,
    events: SubmitEvents = {},
  ): Promise<SubmitReply> {
    const line = encodeCommand(command);
    const source = await openPayload(payload);
    try {
      const created = await this.#ask(line, events.signal);
      const [, unitId] =
        /^Work unit created with ID ([A-Za-z0-9]+)\. Send stdin data and EOF\.$/.exec(created) ?? [];
      if (unitId === undefined) throw unexpected(created);
      this.#inStep = false;
      events.onUnit?.(unitId);
      return await this.#sendPayload(unitId, source, events);
    } finally {
      source.close();
      if (!this.#inStep) this.close();
    }
  }

  /** Ends the connection. */
  close(): void {
    this.#inStep = false;
    this.#stream.destroy();
  }

  /** Calls back when the server ends a connection that waits for its next command. Returns what ends the watch. */
  watchIdle(onEnd: () => void): () => void {
    const socket = this.#stream as Duplex & { ref?(): void; unref?(): void };
    const events = ['readable', 'end', 'close'] as const;
    for (const event of events) socket.on(event, onEnd);
    // An idle connection is no reason for a program to go on.
    socket.unref?.();
    return () => {
      for (const event of events) socket.off(event, onEnd);
      socket.ref?.();
    };
  }

  async #sendPayload(unitId: string, source: OpenPayload, events: SubmitEvents): Promise<SubmitReply> {
    const answered = new AbortController();
    const reply = readLine(this.#stream, this.#maxReply).finally(() => answered.abort());
    reply.catch(ignore);
    const stop = anySignal([answered.signal, events.signal]);
    try {
      const whole = await writePayload(this.#stream, source, stop.signal, events.onProgress);
      if (!whole && events.signal?.aborted) throw aborted(events.signal);
      if (!whole) {
        const line = await reply;
        if (isErrorLine(line)) throw errorFromReply(line, 'RECEPTOR_WORK_START_FAILED');
        throw new ReceptorError('RECEPTOR_PROTOCOL', 'the server answered before it had the whole payload');
      }
    } catch (error) {
      await events.giveUp?.(unitId);
      throw error;
    } finally {
      stop.release();
    }
    return guarded(this.#stream, events.signal, async () => {
      this.#stream.end();
      const line = await reply;
      if (isErrorLine(line)) throw errorFromReply(line, 'RECEPTOR_WORK_START_FAILED');
      const { result, unitid } = parseReply(line);
      if (typeof result !== 'string' || typeof unitid !== 'string') throw unexpected(line);
      return { result, unitid };
    });
  }

  async #takeOver(command: Command, expected: RegExp, signal?: AbortSignal): Promise<Duplex> {
    const line = await this.#ask(encodeCommand(command), signal);
    this.#inStep = false;
    if (!expected.test(line)) {
      this.close();
      throw unexpected(line);
    }
    return this.#stream;
  }

  async #ask(line: string, signal?: AbortSignal): Promise<string> {
    const reply = await guarded(this.#stream, signal, async () => {
      this.#stream.write(line);
      return readLine(this.#stream, this.#maxReply);
    });
    if (isErrorLine(reply)) throw errorFromReply(reply);
    return reply;
  }
}

function ignore(): void {}

/** Does work on a stream that an abort, or an error of the work, destroys. */
async function guarded<T>(
  stream: Duplex,
  signal: AbortSignal | undefined,
  work: () => Promise<T>,
): Promise<T> {
  const onAbort = (): void => void stream.destroy();
  if (signal?.aborted) stream.destroy();
  signal?.addEventListener('abort', onAbort);
  try {
    return await work();
  } catch (error) {
    stream.destroy();
    throw signal?.aborted ? aborted(signal) : error;
  } finally {
    signal?.removeEventListener('abort', onAbort);
  }
}

/** Reads up to the next newline; what follows stays in the stream. */
async function readLine(stream: Duplex, limit: number): Promise<string> {
  const parts: Buffer[] = [];
  let length = 0;
  for (;;) {
    const chunk = stream.read() as Buffer | null;
    if (chunk === null) {
      if (stream.destroyed || stream.readableEnded) throw lost(stream);
      await readable(stream);
      continue;
    }
    const end = chunk.indexOf(10);
    parts.push(end < 0 ? chunk : chunk.subarray(0, end));
    length += end < 0 ? chunk.length : end;
    if (length > limit) throw new ReceptorError('RECEPTOR_PROTOCOL', `a reply is longer than ${limit} bytes`);
    if (end < 0) continue;
    // At once: after the stream's end nothing could be put back.
    if (end + 1 < chunk.length) stream.unshift(chunk.subarray(end + 1));
    return Buffer.concat(parts).toString().replace(/\r$/, '');
  }
}

/** The error of a connection that ended too early. */
export function lost(stream: Duplex): ReceptorError {
  return new ReceptorError(
    'RECEPTOR_CONNECTION_LOST',
    'the connection to the control service ended before the reply was complete',
    stream.errored ? { cause: stream.errored } : {},
  );
}

function unexpected(line: string): ReceptorError {
  const shown = line.length > 200 ? `${line.slice(0, 200)}…` : line;
  return new ReceptorError('RECEPTOR_PROTOCOL', `unexpected reply of the control service: ${shown}`);
}

function parseReply(line: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      return value as Record<string, unknown>;
  } catch {}
  throw unexpected(line);
}
