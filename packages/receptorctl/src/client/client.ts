import type { Duplex } from 'node:stream';
import type {
  CancelReply,
  Command,
  PingReply,
  ReleaseReply,
  ReloadReply,
  StatusReply,
  SubmitReply,
  TracerouteReply,
  UnitReport,
  WorkListReply,
} from '@receptor/protocol';
import { encodeCommand, errorFromReply, isErrorLine, parseAddress, ReceptorError } from '@receptor/protocol';
import { Connection } from './connection.js';
import { type ClientTls, connectError, dial } from './dial.js';
import { type ResultsOptions, readResults, readStreamingLine } from './results.js';
import { readSubmitReply, readUnitId, type SubmitOptions, sendPayload } from './submit.js';

/** How to reach a control service. */
export interface ClientOptions {
  /** For `tls://` addresses. */
  tls?: ClientTls;
  /** Ends the client and all it does; pending calls then fail with `RECEPTOR_ABORTED`. */
  signal?: AbortSignal;
}

/** Opens a stream to a control service. */
type Opener = (signal: AbortSignal) => Promise<Duplex>;

/** Milliseconds for taking a unit back whose submission failed half-way. */
const DISCARD_TIMEOUT = 5000;

/**
 * A client of a node's control service.
 *
 * Commands go over one connection, one after another. A submission, a stream of results or a service of the mesh
 * takes the connection for itself; the next command opens another. Every call may throw ReceptorError with
 * `RECEPTOR_CONNECT_FAILED`, `RECEPTOR_CONNECTION_LOST`, `RECEPTOR_PROTOCOL`, `RECEPTOR_ABORTED`, or a code for
 * what the daemon answered (reference: control, 1 to 8).
 */
export class ControlClient implements AsyncDisposable {
  readonly #opener: Opener;
  readonly #closing = new AbortController();
  /** Aborts with the caller's signal, and when the client is closed. */
  readonly #signal: AbortSignal;
  #idle: Connection | undefined;
  /** Settles when the last command that uses the idle connection has its reply. */
  #turn: Promise<unknown> = Promise.resolve();
  #nodeId = '';

  private constructor(opener: Opener, signal: AbortSignal | undefined) {
    this.#opener = opener;
    this.#signal = signal ? AbortSignal.any([signal, this.#closing.signal]) : this.#closing.signal;
  }

  /**
   * Connects, and checks that a control service is there.
   * @param address `PATH`, `unix:PATH`, `tcp://HOST:PORT` or `tls://HOST:PORT`
   * @throws ReceptorError `RECEPTOR_ADDRESS_INVALID`, `RECEPTOR_CONNECT_FAILED`, `RECEPTOR_PROTOCOL`
   */
  static async connect(address: string, options: ClientOptions = {}): Promise<ControlClient> {
    const parsed = parseAddress(address);
    const { tls, signal } = options;
    const client = new ControlClient((ending) => dial(parsed, tls, ending), signal);
    try {
      client.#idle = await client.#guarded(() => client.#connect(client.#signal));
      return client;
    } catch (error) {
      client.close();
      // A server that refuses a client's certificate says so only after the handshake.
      const refused = error instanceof ReceptorError && error.code === 'RECEPTOR_CONNECTION_LOST';
      throw refused && parsed.kind === 'tls' ? connectError(parsed, error) : error;
    }
  }

  /** The node that the client talks to. */
  get nodeId(): string {
    return this.#nodeId;
  }

  /** Closes every connection of the client; what is under way fails. */
  close(): void {
    this.#closing.abort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  /** What the node knows of itself and the mesh; with names, only these members. */
  status(): Promise<StatusReply>;
  status(requestedFields: readonly (keyof StatusReply)[]): Promise<Partial<StatusReply>>;
  status(requestedFields?: readonly string[]): Promise<Partial<StatusReply>> {
    return this.#ask({ command: 'status', ...(requestedFields && { requestedFields }) });
  }

  /** Sends a packet to a node. A node that cannot be reached is a reply, not an error. */
  ping(target: string): Promise<PingReply> {
    return this.#ask({ command: 'ping', target });
  }

  /** Finds the hops to a node. */
  traceroute(target: string): Promise<TracerouteReply> {
    return this.#ask({ command: 'traceroute', target });
  }

  /** Has the daemon read its configuration again. A refusal is a reply, not an error. */
  reload(): Promise<ReloadReply> {
    return this.#ask({ command: 'reload' });
  }

  /** All units, or the one. */
  list(unitId?: string): Promise<WorkListReply> {
    return this.#ask({ command: 'work', subcommand: 'list', ...(unitId && { unitId }) });
  }

  /** A unit's state. */
  unit(unitId: string): Promise<UnitReport> {
    return this.#ask({ command: 'work', subcommand: 'status', unitId });
  }

  /** Ends a unit. */
  cancel(unitId: string): Promise<CancelReply> {
    return this.#ask({ command: 'work', subcommand: 'cancel', unitId });
  }

  /** Removes a unit, and ends it before; with `force`, even if its remote node cannot be reached. */
  release(unitId: string, { force = false } = {}): Promise<ReleaseReply> {
    return this.#ask({ command: 'work', subcommand: force ? 'force-release' : 'release', unitId });
  }

  /**
   * Creates a unit of work, and gives it its payload.
   * @throws ReceptorError `RECEPTOR_WORK_START_FAILED` when the unit was created but could not be started; what the
   *   daemon said when none was created. A unit whose payload could not be sent in full is released.
   */
  submit(workType: string, options: SubmitOptions = {}): Promise<SubmitReply> {
    const { node = 'localhost', payload = '', parameters = {}, onCreated, onSent, signal, ...more } = options;
    const ending = this.#joined(signal);
    return this.#guarded(async () => {
      // The end of a submission must not end its connection: to the daemon that would be the end of the payload.
      const connection = await this.#take(ending, false);
      let created: string | undefined;
      let overdue: NodeJS.Timeout | undefined;
      // Until the unit's ID is known the unit cannot be taken back, so an end waits for it, though not for ever.
      const linger = () => {
        overdue = setTimeout(() => connection.stream.destroy(), DISCARD_TIMEOUT);
      };
      ending.addEventListener('abort', linger);
      try {
        await connection.write(
          encodeCommand({ command: 'work', subcommand: 'submit', node, workType, parameters, ...more }),
        );
        const unitId = await readUnitId(connection);
        created = unitId;
        onCreated?.(unitId);
        await sendPayload(connection, payload, ending);
        connection.stream.end();
        created = undefined;
        onSent?.(unitId);
        return await readSubmitReply(connection, ending);
      } finally {
        if (created !== undefined) await this.#discard(created);
        connection.stream.destroy();
        ending.removeEventListener('abort', linger);
        clearTimeout(overdue);
      }
    }, ending);
  }

  /**
   * A unit's output, byte for byte, until the unit has ended; resumed where it was when the connection drops.
   * @returns (of the generator) the unit as it was at the end; its state may be Failed
   * @throws ReceptorError `RECEPTOR_UNKNOWN_UNIT`; `RECEPTOR_CONNECTION_LOST` when it could not be resumed
   */
  async *results(unitId: string, options: ResultsOptions = {}): AsyncGenerator<Buffer, UnitReport> {
    const signal = this.#joined(options.signal);
    const open = async (id: string, startPos: number) => {
      const connection = await this.#take(signal);
      try {
        await connection.write(
          encodeCommand({ command: 'work', subcommand: 'results', unitId: id, startPos }),
        );
        await readStreamingLine(connection);
        return connection;
      } catch (error) {
        connection.stream.destroy();
        throw error;
      }
    };
    try {
      return yield* readResults({ open, unit: (id) => this.unit(id) }, unitId, { ...options, signal });
    } catch (error) {
      throw asAborted(error, signal);
    }
  }

  /**
   * Connects to a service of the mesh; the stream is its, both ways, and ends with the client.
   * @param tls name of a `tls-client` of the daemon
   */
  connectTo(node: string, service: string, tls = ''): Promise<Duplex> {
    return this.#guarded(() => this.#reach(node, service, tls, this.#signal));
  }

  /**
   * A client of another node's control service, through this one.
   * @param tls name of a `tls-client` of the daemon
   */
  async through(node: string, { service = 'control', tls = '' } = {}): Promise<ControlClient> {
    const client = new ControlClient((signal) => this.#reach(node, service, tls, signal), this.#signal);
    try {
      client.#idle = await client.#guarded(() => client.#connect(client.#signal));
      return client;
    } catch (error) {
      client.close();
      throw error;
    }
  }

  async #reach(node: string, service: string, tls: string, signal: AbortSignal): Promise<Duplex> {
    const connection = await this.#take(signal);
    try {
      await connection.write(encodeCommand({ command: 'connect', node, service, tls }));
      const line = await connection.readLine();
      if (line.startsWith('Connecting')) return connection.stream;
      throw errorFromReply(line);
    } catch (error) {
      connection.stream.destroy();
      throw error;
    }
  }

  /** Opens a connection that has said whose it is; it ends with the signal. */
  async #connect(signal: AbortSignal): Promise<Connection> {
    const connection = new Connection(await this.#opener(signal));
    connection.endWith(signal);
    const line = await connection.readLine().catch((error) => {
      connection.stream.destroy();
      throw error;
    });
    const nodeId = /^Receptor Control, node (.+)$/.exec(line)?.[1];
    if (nodeId === undefined) {
      connection.stream.destroy();
      throw new ReceptorError('RECEPTOR_PROTOCOL', 'Failed to connect to Receptor socket');
    }
    this.#nodeId = nodeId;
    return connection;
  }

  /** Takes a connection for good. */
  #take(signal: AbortSignal, endWithSignal = true): Promise<Connection> {
    return this.#inTurn(async () => {
      const idle = this.#idle;
      this.#idle = undefined;
      const connection = idle ?? (await this.#connect(signal));
      connection.endWith(endWithSignal ? signal : undefined);
      return connection;
    });
  }

  /** One command and its reply, over the connection that is kept for them. */
  #ask<T extends object>(command: Command): Promise<T> {
    return this.#guarded(() =>
      this.#inTurn(async () => {
        const connection = this.#idle ?? (await this.#connect(this.#signal));
        // Until the reply is here the connection is out of step; if it never comes, nobody may use it again.
        this.#idle = undefined;
        try {
          const reply = await connection.ask(command);
          this.#idle = connection;
          if (isErrorLine(reply)) throw errorFromReply(reply);
          return parseReply<T>(reply);
        } finally {
          if (this.#idle !== connection) connection.stream.destroy();
        }
      }),
    );
  }

  /** Removes a unit that has only part of its payload, before it can run; the failure that led here is what counts. */
  async #discard(unitId: string): Promise<void> {
    const signal = AbortSignal.timeout(DISCARD_TIMEOUT);
    try {
      const connection = await this.#connect(signal);
      await connection.ask({ command: 'work', subcommand: 'force-release', unitId });
      connection.stream.destroy();
    } catch {
      // The daemon is gone, or its connection is; there is nothing else to try.
    }
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => {});
    return result;
  }

  #joined(signal: AbortSignal | undefined): AbortSignal {
    return signal === undefined ? this.#signal : AbortSignal.any([signal, this.#signal]);
  }

  async #guarded<T>(work: () => Promise<T>, signal = this.#signal): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw asAborted(error, signal);
    }
  }
}

/** What went wrong; if the signal had it stopped, that. */
function asAborted(error: unknown, signal: AbortSignal): unknown {
  if (!signal.aborted) return error;
  return new ReceptorError('RECEPTOR_ABORTED', 'the operation was cancelled', { cause: signal.reason });
}

function parseReply<T extends object>(line: string): T {
  let reply: unknown;
  try {
    reply = JSON.parse(line);
  } catch (cause) {
    throw new ReceptorError('RECEPTOR_PROTOCOL', `a reply is not JSON: ${line.slice(0, 200)}`, { cause });
  }
  if (typeof reply !== 'object' || reply === null) {
    throw new ReceptorError('RECEPTOR_PROTOCOL', `a reply is no object: ${line.slice(0, 200)}`);
  }
  return reply as T;
}
