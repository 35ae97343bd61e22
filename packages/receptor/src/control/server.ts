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

/** The clients that came the same way, and what they share. */
interface Crowd {
  readonly sessions: Set<Session>;
  readonly lines: LineBudget;
}

/** Serves the control protocol to whoever is connected, whatever carries the bytes (reference: control, 1). */
export class ControlServer implements SessionHost {
  readonly nodeId: string;
  readonly log: Logger;
  readonly limits: ControlLimits;
  readonly #own: ControlCommand;
  readonly #added = new Map<string, ControlCommand>();
  readonly #crowds: Readonly<Record<Origin, Crowd>>;

  constructor(options: ControlServerOptions) {
    this.nodeId = options.nodeId;
    this.log = options.log;
    this.#own = options.commands;
    this.limits = { ...DEFAULT_LIMITS, ...options.limits };
    const crowd = (): Crowd => ({
      sessions: new Set(),
      lines: { available: this.limits.allLinesBytes },
    });
    this.#crowds = { unix: crowd(), tcp: crowd(), mesh: crowd() };
  }

  /** How many clients there are. */
  get sessions(): number {
    return this.#all.reduce((sum, { sessions }) => sum + sessions.size, 0);
  }

  /** How many bytes of unfinished lines are held. */
  get heldBytes(): number {
    return this.#all.reduce((sum, { lines }) => sum + this.limits.allLinesBytes - lines.available, 0);
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
    const { sessions, lines } = this.#crowds[origin];
    // Those who are refused are told so, but not without bound either.
    if (sessions.size >= 2 * this.limits.connections) {
      stream.on('error', () => {});
      stream.destroy();
      return;
    }
    const session = new Session(this, lines, stream, origin, remoteAddress);
    sessions.add(session);
    stream.once('close', () => sessions.delete(session));
    if (sessions.size <= this.limits.connections) {
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
    for (const { sessions } of this.#all) for (const session of sessions) session.close();
  }

  get #all(): readonly Crowd[] {
    return Object.values(this.#crowds);
  }
}
