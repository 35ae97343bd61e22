import type { Duplex, Readable, Writable } from 'node:stream';
import { errorReply, greetingLine, ReceptorError } from '@receptor/protocol';
import type { Logger, Origin } from '@receptor/workceptor';
import { Anticipation } from './anticipation.js';
import type { CommandContext, Reply } from './command.js';
import { Connection } from './connection.js';
import type { ControlLimits } from './limits.js';
import { type LineBudget, LineReader } from './line-reader.js';
import { Payload } from './payload.js';

/** What a session needs of the server it belongs to. */
export interface SessionHost {
  readonly nodeId: string;
  readonly log: Logger;
  readonly limits: ControlLimits;
  /** Runs one command line. */
  dispatch(line: string, context: CommandContext): Reply;
}

/** Commands handled in one go before other sessions get their turn. */
const COMMANDS_IN_A_ROW = 200;

/**
 * One client of the control service, whatever carries its bytes: greeting, then commands strictly one after another
 * (reference: control, 1). Ends with the client or by {@link close}, and leaves nothing behind.
 */
export class Session implements CommandContext {
  readonly #host: SessionHost;
  readonly #connection: Connection;
  readonly #stream: Duplex;
  readonly #lines: LineReader;
  readonly #anticipation = new Anticipation();
  /** What becomes of the client's bytes: commands, or the payload of the last of them, or nothing. */
  #input: 'commands' | Payload | 'dropped' = 'commands';
  #busy = false;
  #unfinishedTimer: NodeJS.Timeout | undefined;

  /**
   * @param budget what this and other sessions may hold of unfinished lines
   * @param stream the connection; a socket must stay open when its peer closes one side (`allowHalfOpen`)
   * @param remoteAddress for the log
   */
  constructor(host: SessionHost, budget: LineBudget, stream: Duplex, origin: Origin, remoteAddress: string) {
    this.#host = host;
    this.#stream = stream;
    this.#connection = new Connection(stream, origin, remoteAddress, host.log);
    this.#lines = new LineReader(host.limits.lineBytes, budget);
  }

  get origin(): Origin {
    return this.#connection.origin;
  }

  get remoteAddress(): string {
    return this.#connection.remoteAddress;
  }

  get signal(): AbortSignal {
    return this.#connection.signal;
  }

  get output(): Writable {
    return this.#stream;
  }

  /** Greets the client and serves it until the connection is closed. */
  start(): void {
    this.#host.log.debug(`Client connected to control service ${this.remoteAddress}`);
    this.#listen();
    this.#stream.write(greetingLine(this.#host.nodeId));
  }

  /** Greets the client only to tell it why it cannot be served. */
  refuse(reason: string): void {
    this.#input = 'dropped';
    this.#listen();
    this.#stream.write(greetingLine(this.#host.nodeId) + errorReply(reason));
    this.#connection.finish(this.#host.limits.lingerMs);
  }

  /** Ends the connection at once, because the service ends. */
  close(): void {
    this.#connection.close();
  }

  write(data: string | Buffer): Promise<void> {
    return this.#connection.write(data);
  }

  payload(): Readable {
    const payload = new Payload(this.#stream, this.signal);
    this.#input = payload;
    // What was read together with the command line belongs to it.
    const rest = this.#lines.rest();
    if (rest.length > 0) payload.feed(rest);
    if (this.#connection.inputEnded) this.#ended();
    return payload;
  }

  discardInput(): void {
    this.#input = 'dropped';
    this.#lines.discard();
    if (this.#connection.inputEnded) this.#ended();
    else this.#stream.resume();
  }

  breakOff(error: unknown): void {
    if (!this.signal.aborted) this.#logError(error);
    this.#connection.breakOff();
  }

  #listen(): void {
    this.#connection.listen(
      (chunk) => this.#received(chunk),
      () => this.#ended(),
      () => this.#closed(),
    );
  }

  #received(chunk: Buffer): void {
    if (this.#input === 'commands') {
      this.#anticipation.heard();
      this.#lines.push(chunk);
      this.#advance();
    } else if (this.#input !== 'dropped') {
      this.#input.feed(chunk);
    }
  }

  #ended(): void {
    const input = this.#input;
    if (input === 'commands') this.#advance();
    // Half a payload must not pass for a whole one: a client that has sent all of it is there to read the reply.
    else this.#connection.probe(() => input !== 'dropped' && input.finish());
  }

  /** Handles the lines that are there, as long as nothing has to be waited for. */
  #advance(): void {
    for (let count = 0; this.#idle; count++) {
      if (this.#stream.writableNeedDrain) {
        this.#waitFor(this.#connection.drained());
      } else if (count === COMMANDS_IN_A_ROW) {
        this.#waitFor(new Promise((resolve) => setImmediate(resolve)));
      } else {
        const line = this.#lines.next() ?? (this.#connection.inputEnded ? this.#lines.end() : undefined);
        if (line === undefined) break;
        this.#lineEnded();
        if (line !== '') this.#execute(line);
      }
    }
    if (!this.#idle) return;
    if (this.#lines.fault !== undefined) {
      this.#refuseLine(
        this.#lines.fault === 'line too long'
          ? `command line is longer than ${this.#host.limits.lineBytes} bytes`
          : 'too many long command lines at once',
      );
    } else if (this.#connection.inputEnded) {
      this.#connection.finish(0);
    } else {
      if (this.#lines.unfinished) this.#limitUnfinished();
      else this.#anticipation.answered();
      if (this.#stream.isPaused()) this.#stream.resume();
    }
  }

  /** Whether the next line can be handled. */
  get #idle(): boolean {
    return !this.#busy && this.#connection.open;
  }

  #execute(line: string): void {
    try {
      const reply = this.#host.dispatch(line, this);
      if (typeof reply === 'object') this.#waitFor(this.#replyLater(reply));
      else this.#reply(reply);
    } catch (error) {
      this.#replyError(error);
    }
  }

  /** Reads and handles nothing more of the client until `work` is done. */
  #waitFor(work: Promise<void>): void {
    this.#busy = true;
    if (this.#input === 'commands') this.#stream.pause();
    const goOn = () => {
      this.#busy = false;
      if (this.#input === 'commands') this.#advance();
      // A command that took the client's input for itself was the last one.
      else this.#connection.finish(this.origin === 'unix' ? 0 : this.#host.limits.lingerMs);
    };
    work.then(goOn, goOn);
  }

  async #replyLater(reply: Promise<string | undefined>): Promise<void> {
    try {
      this.#reply(await reply);
    } catch (error) {
      this.#replyError(error);
    }
  }

  #reply(text: string | undefined): void {
    if (text !== undefined && this.#stream.writable) this.#stream.write(text);
  }

  #replyError(error: unknown): void {
    // Whoever is gone is told nothing, and that it is gone is no error of the command.
    if (this.signal.aborted) return;
    this.#logError(error);
    this.#reply(errorReply(error));
  }

  #logError(error: unknown): void {
    // Go's line has the place of a prefix before the colon, and nothing in it.
    this.#host.log.error(`: ${error instanceof Error ? error.message : String(error)}`);
  }

  #refuseLine(reason: string): void {
    this.#lineEnded();
    this.#replyError(new ReceptorError('RECEPTOR_BAD_COMMAND', reason));
    this.discardInput();
    this.#connection.finish(this.#host.limits.lingerMs);
  }

  /** Starts the clock of a line when its first bytes are there; more bytes do not set it back. */
  #limitUnfinished(): void {
    const { unfinishedLineMs } = this.#host.limits;
    this.#unfinishedTimer ??= setTimeout(() => {
      this.#refuseLine(`command line not finished within ${unfinishedLineMs / 1000} seconds`);
    }, unfinishedLineMs);
  }

  #lineEnded(): void {
    clearTimeout(this.#unfinishedTimer);
    this.#unfinishedTimer = undefined;
  }

  #closed(): void {
    this.#lineEnded();
    this.#lines.discard();
    this.#host.log.debug(`Client disconnected from control service ${this.remoteAddress}`);
  }
}
