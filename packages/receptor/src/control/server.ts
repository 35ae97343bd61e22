import type { Duplex } from 'node:stream';
import { type CommandLine, splitCommandLine } from '@receptor/protocol';
import type { Logger, Origin } from '@receptor/workceptor';
import type { CommandContext, ControlCommand, Reply } from './command.js';
import { type ControlLimits, DEFAULT_LIMITS } from './limits.js';
import type { LineBudget } from './line-reader.js';
import { Session, type SessionHost } from './session.js';

/** What a control server is made of. */
export interface ControlServerOptions {
  readonly nodeId: string;
  readonly log: Logger;
  /** Receptor's own commands; {@link ControlServer.addCommand} adds to them. */
  readonly commands: ControlCommand;
  readonly limits?: Partial<ControlLimits>;
}

/** Serves the control protocol to whoever is connected, whatever carries the bytes (reference: control, 1). */
export class ControlServer implements SessionHost {
  readonly nodeId: string;
  readonly log: Logger;
  readonly limits: ControlLimits;
  readonly budget: LineBudget;
  readonly #own: ControlCommand;
  readonly #added = new Map<string, ControlCommand>();
  readonly #sessions = new Set<Session>();

  constructor(options: ControlServerOptions) {
    this.nodeId = options.nodeId;
    this.log = options.log;
    this.#own = options.commands;
    this.limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.budget = { available: this.limits.allLinesBytes };
  }

  /** How many clients there are. */
  get sessions(): number {
    return this.#sessions.size;
  }

  /**
   * Adds a command, or replaces one of Receptor's.
   * @param name in lower case, without spaces
   */
  addCommand(name: string, command: ControlCommand): void {
    this.#added.set(name, command);
  }

  /**
   * Serves one client until its connection ends.
   * @param stream the connection; a socket must stay open when its peer closes one side (`allowHalfOpen`)
   * @param remoteAddress for the log
   */
  serve(stream: Duplex, origin: Origin, remoteAddress: string): void {
    const session = new Session(this, stream, origin, remoteAddress);
    // Those who are refused are told so, but not without bound either.
    if (this.#sessions.size >= 2 * this.limits.connections) {
      stream.on('error', () => {});
      stream.destroy();
      return;
    }
    this.#sessions.add(session);
    stream.once('close', () => this.#sessions.delete(session));
    if (this.#sessions.size <= this.limits.connections) {
      session.start();
      return;
    }
    this.log.warning(`Control service refused client ${remoteAddress}: too many connections`);
    session.refuse(`too many connections to the control service (limit ${this.limits.connections})`);
  }

  dispatch(line: string, context: CommandContext): Reply {
    const parts: CommandLine | undefined = splitCommandLine(line);
    if (parts === undefined) return undefined;
    return (this.#added.get(parts.name) ?? this.#own)(parts, context);
  }

  /** Ends every session at once. */
  close(): void {
    for (const session of this.#sessions) session.close();
  }
}
