import type { Duplex } from 'node:stream';
import type { Command, ConnectCommand, WorkResultsCommand, WorkSubmitCommand } from '../commands.js';
import { type AnsweredCommand, decodeReply, type ReplyTo, unexpectedReply } from '../decode-reply.js';
import { encodeCommand } from '../encode-command.js';
import { ReceptorError } from '../errors.js';
import type { SubmitReply } from '../replies.js';
import { errorFromReply, isErrorLine } from '../reply-error.js';
import { aborted, anySignal, deadline, flushed } from './io.js';
import { guarded, readLine } from './lines.js';
import { type OpenPayload, openPayload, type Payload, writePayload } from './payload.js';

/** The longest reply that is accepted, in bytes, where nothing else is said. */
const DEFAULT_MAX_REPLY = 64 * 1024 * 1024;

/**
 * How long, in milliseconds, taking back a unit may take whose submit came to nothing: waiting for its ID, and for
 * its removal.
 */
export const TAKE_BACK_MS = 5_000;

/** What happens while a unit is submitted. */
export interface SubmitEvents {
  /** Told the unit's ID as soon as it is known, before the payload is sent. */
  onUnit?: (unitId: string) => void;
  /** Told how many bytes of the payload the connection has taken. */
  onProgress?: (bytes: number) => void;
  /** Told when all of the payload is on its way: from here on the unit runs, whatever becomes of the submit. */
  onSent?: (unitId: string) => void;
  /** Called when the payload cannot be sent whole, before the connection ends: the end would start the unit. */
  giveUp?: (unitId: string) => Promise<void>;
  /** Ends the submit. A unit whose payload was not sent whole is given up before. */
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
  async request<C extends Exclude<AnsweredCommand, WorkSubmitCommand>>(
    command: C,
    signal?: AbortSignal,
  ): Promise<ReplyTo<C>> {
    return decodeReply(command, await this.#ask(command, signal));
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
    const source = await openPayload(payload);
    try {
      const created = await this.#askForUnit(command, events.signal);
      // A submit that has come before, under the same name: the unit has its payload.
      if (command.idempotencyKey !== undefined && created.startsWith('{'))
        return decodeReply(command, created);
      const [, unitId] =
        /^Work unit created with ID ([A-Za-z0-9]+)\. Send stdin data and EOF\.$/.exec(created) ?? [];
      if (unitId === undefined) throw unexpectedReply(created);
      this.#inStep = false;
      return await this.#sendPayload(command, unitId, source, events);
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

  /** Asks for a unit. An abort waits for its ID, though not for ever: a unit whose ID is unknown cannot be given up. */
  async #askForUnit(command: WorkSubmitCommand, signal?: AbortSignal): Promise<string> {
    if (signal?.aborted) throw aborted(signal);
    const overdue = deadline(TAKE_BACK_MS, signal);
    try {
      return await this.#ask(command, overdue.signal);
    } catch (error) {
      throw overdue.signal.aborted && signal ? aborted(signal) : error;
    } finally {
      overdue.release();
    }
  }

  async #sendPayload(
    command: WorkSubmitCommand,
    unitId: string,
    source: OpenPayload,
    events: SubmitEvents,
  ): Promise<SubmitReply> {
    const answered = new AbortController();
    const reply = readLine(this.#stream, this.#maxReply).finally(() => answered.abort());
    reply.catch(ignore);
    const stop = anySignal([answered.signal, events.signal]);
    try {
      events.onUnit?.(unitId);
      const whole = await writePayload(this.#stream, source, stop.signal, events.onProgress);
      if (!whole && events.signal?.aborted) throw aborted(events.signal);
      if (!whole) {
        const line = await reply;
        if (isErrorLine(line)) throw errorFromReply(line, 'RECEPTOR_WORK_START_FAILED');
        throw new ReceptorError('RECEPTOR_PROTOCOL', 'the server answered before it had the whole payload');
      }
      this.#stream.end();
      await flushed(this.#stream, stop.signal);
      if (events.signal?.aborted && !this.#stream.writableFinished) throw aborted(events.signal);
    } catch (error) {
      await events.giveUp?.(unitId);
      throw error;
    } finally {
      stop.release();
    }
    return guarded(this.#stream, events.signal, async () => {
      events.onSent?.(unitId);
      const line = await reply;
      if (isErrorLine(line)) throw errorFromReply(line, 'RECEPTOR_WORK_START_FAILED');
      return decodeReply(command, line);
    });
  }

  async #takeOver(command: Command, expected: RegExp, signal?: AbortSignal): Promise<Duplex> {
    const line = await this.#ask(command, signal);
    this.#inStep = false;
    if (!expected.test(line)) {
      this.close();
      throw unexpectedReply(line);
    }
    return this.#stream;
  }

  async #ask(command: Command, signal?: AbortSignal): Promise<string> {
    const line = encodeCommand(command);
    const reply = await guarded(this.#stream, signal, async () => {
      this.#stream.write(line);
      return readLine(this.#stream, this.#maxReply);
    });
    if (isErrorLine(reply)) throw errorFromReply(reply);
    return reply;
  }
}

function ignore(): void {}
