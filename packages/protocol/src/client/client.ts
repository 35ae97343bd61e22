import { setMaxListeners } from 'node:events';
import type { Duplex } from 'node:stream';
import { parseAddress } from '../address.js';
import { isUnitId, type WorkEndCommand, type WorkSubmitCommand } from '../commands.js';
import type { AnsweredCommand, ReplyTo } from '../decode-reply.js';
import { ReceptorError } from '../errors.js';
import type {
  CancelReply,
  PingReply,
  ReleaseReply,
  ReloadReply,
  StatusReply,
  SubmitReply,
  TracerouteReply,
  WorkListReply,
} from '../replies.js';
import type { UnitReport } from '../unit.js';
import { aborted, anySignal, deadline } from './io.js';
import type { Payload } from './payload.js';
import { ResultStream, type ResultsOptions } from './results.js';
import { type ControlSession, type SubmitEvents, TAKE_BACK_MS } from './session.js';
import { dialler, type OpenConnection, SessionPool, starter } from './session-pool.js';
import type { TlsOptions } from './transport.js';

/** How a client finds and keeps its control service. */
export interface ClientOptions extends TlsOptions {
  /** Longest reply accepted, in bytes; default 64 MiB. */
  maxReply?: number;
  /** Milliseconds until a server must have greeted; default 30 s. */
  connectTimeoutMs?: number;
  /** Closes the client. */
  signal?: AbortSignal;
}

/** Every call can be ended early. */
export interface CallOptions {
  /** Ends the call, which fails with `RECEPTOR_ABORTED`. */
  signal?: AbortSignal;
}

/** What is to be done; see {@link WorkSubmitCommand}. `node` is `localhost` where it is left out. */
export interface SubmitOptions
  extends Partial<Omit<WorkSubmitCommand, 'command' | 'subcommand' | 'workType'>>,
    Omit<SubmitEvents, 'giveUp'> {
  workType: string;
  /** Default: nothing. */
  payload?: Payload;
}

/**
 * A client of a control service. It connects when it has something to say and keeps one connection for the next
 * call; calls at the same time have one each. All calls throw a ReceptorError: what the server answered,
 * `RECEPTOR_CONNECT_FAILED`, `RECEPTOR_CONNECTION_LOST`, `RECEPTOR_PROTOCOL` or `RECEPTOR_ABORTED`.
 */
export class ReceptorClient {
  readonly #sessions: SessionPool;
  readonly #closing = new AbortController();
  readonly #unfollow: () => void;

  /**
   * @param where an address such as `/tmp/foo.sock`, `tcp://host:port`, `tls://host:port` (see `parseAddress`), or a
   *   function that makes a connection.
   * @throws ReceptorError `RECEPTOR_ADDRESS_INVALID`.
   */
  constructor(where: string | OpenConnection, options: ClientOptions = {}) {
    const start = typeof where === 'string' ? dialler(parseAddress(where), options) : starter(where, options);
    this.#sessions = new SessionPool(start);
    // Any number of calls may be under way.
    setMaxListeners(0, this.#closing.signal);
    const { signal } = options;
    const onAbort = (): void => this.close();
    this.#unfollow = () => signal?.removeEventListener('abort', onAbort);
    if (signal?.aborted) this.close();
    else signal?.addEventListener('abort', onAbort);
  }

  /** Connects, unless it is connected. @returns the node's ID. */
  async connect(options: CallOptions = {}): Promise<string> {
    return this.#with(options, async (session) => session.nodeId);
  }

  /** What the node knows of itself and the mesh; of `fields` only, where they are given. */
  async status(options: CallOptions & { fields?: readonly string[] } = {}): Promise<Partial<StatusReply>> {
    const { fields } = options;
    return this.#request(
      { command: 'status', ...(fields !== undefined && { requestedFields: fields }) },
      options,
    );
  }

  /** Sends a packet to a node and waits for the answer. A node out of reach is a reply, not an error. */
  async ping(target: string, options: CallOptions = {}): Promise<PingReply> {
    return this.#request({ command: 'ping', target }, options);
  }

  /** Finds the hops to a node. A node out of reach is a hop with an error. */
  async traceroute(target: string, options: CallOptions = {}): Promise<TracerouteReply> {
    return this.#request({ command: 'traceroute', target }, options);
  }

  /** Makes the daemon read its configuration again. A refusal is a reply, not an error. */
  async reload(options: CallOptions = {}): Promise<ReloadReply> {
    return this.#request({ command: 'reload' }, options);
  }

  /**
   * Connects to a service of the mesh. The connection is the caller's, and does not end with the client.
   * @param options.tls name of a `tls-client` of the node's configuration.
   */
  async connectService(
    node: string,
    service: string,
    options: CallOptions & { tls?: string } = {},
  ): Promise<Duplex> {
    const { tls } = options;
    return this.#with(options, (session, signal) =>
      session.connect({ command: 'connect', node, service, ...(tls !== undefined && { tls }) }, signal),
    );
  }

  /**
   * A client of another node's control service, which it reaches through this one. It ends with this client.
   * @param options.service default `control`.
   * @param options.tls name of a `tls-client` of this node's configuration.
   */
  through(node: string, options: { service?: string; tls?: string } = {}): ReceptorClient {
    const { service = 'control', tls } = options;
    return new ReceptorClient(
      (signal) =>
        this.connectService(node, service, { ...(tls !== undefined && { tls }), ...(signal && { signal }) }),
      { signal: this.#closing.signal },
    );
  }

  /**
   * Submits work with its payload. A payload that cannot be sent whole starts nothing: the unit is removed.
   * @throws ReceptorError also `RECEPTOR_PAYLOAD`, `RECEPTOR_WORK_START_FAILED`, `RECEPTOR_PARAMETER_INVALID`.
   */
  async submitWork(options: SubmitOptions): Promise<SubmitReply> {
    const { payload = '', onUnit, onProgress, onSent, signal: _, ...work } = options;
    const command: WorkSubmitCommand = {
      command: 'work',
      subcommand: 'submit',
      node: 'localhost',
      parameters: {},
      ...work,
    };
    return this.#with(
      options,
      (session, signal) =>
        session.submit(command, payload, {
          ...(onUnit && { onUnit }),
          ...(onProgress && { onProgress }),
          ...(onSent && { onSent }),
          signal,
          giveUp: (unitId) => this.#takeBack(unitId),
        }),
      // Nobody knows whether a submit that was lost made a unit.
      false,
    );
  }

  /** One unit. @throws ReceptorError `RECEPTOR_UNKNOWN_UNIT`. */
  async workStatus(unitId: string, options: CallOptions = {}): Promise<UnitReport> {
    return this.#request({ command: 'work', subcommand: 'status', unitId }, options);
  }

  /** All units by their ID, or the one of `unitId`. @throws ReceptorError `RECEPTOR_UNKNOWN_UNIT`. */
  async workList(options: CallOptions & { unitId?: string } = {}): Promise<WorkListReply> {
    const { unitId } = options;
    return this.#request(
      { command: 'work', subcommand: 'list', ...(unitId !== undefined && { unitId }) },
      options,
    );
  }

  /** Ends a unit. @throws ReceptorError `RECEPTOR_UNKNOWN_UNIT`, `RECEPTOR_SIGNATURE`. */
  async cancelWork(unitId: string, options: CallOptions & { signature?: string } = {}): Promise<CancelReply> {
    return this.#request(end('cancel', unitId, options.signature), options);
  }

  /**
   * Ends and removes a unit; with `force` even where another node that has it cannot be reached.
   * @throws ReceptorError `RECEPTOR_UNKNOWN_UNIT`, `RECEPTOR_SIGNATURE`.
   */
  async releaseWork(
    unitId: string,
    options: CallOptions & { force?: boolean; signature?: string } = {},
  ): Promise<ReleaseReply> {
    const subcommand = options.force ? 'force-release' : 'release';
    return this.#request(end(subcommand, unitId, options.signature), options);
  }

  /**
   * A unit's output, live, until the unit is complete and all of it was delivered; see {@link ResultStream}.
   * @throws ReceptorError `RECEPTOR_PARAMETER_INVALID` for a start position that is no position; the stream fails with
   *   `RECEPTOR_UNKNOWN_UNIT` and the errors of all calls.
   */
  results(unitId: string, options: ResultsOptions = {}): ResultStream {
    const { startPos = 0, signature } = options;
    if (!isUnitId(unitId))
      throw new ReceptorError('RECEPTOR_UNKNOWN_UNIT', `unknown work unit ${unitId}`.trimEnd());
    if (!Number.isSafeInteger(startPos) || startPos < 0)
      throw new ReceptorError('RECEPTOR_PARAMETER_INVALID', `${startPos} is no start position`);
    const command = { command: 'work', subcommand: 'results', unitId } as const;
    const signed = signature !== undefined && { signature };
    return new ResultStream(
      {
        open: (position, signal) =>
          this.#with({ signal }, (session) =>
            session.results({ ...command, ...signed, startPos: position }, signal),
          ),
        status: (signal) => this.workStatus(unitId, { signal }),
      },
      options,
      this.#closing.signal,
    );
  }

  /**
   * Ends all connections and calls; these fail with `RECEPTOR_ABORTED`. A unit whose payload was not sent whole is
   * removed before. A client that is closed stays so.
   */
  close(): void {
    this.#unfollow();
    this.#closing.abort(new ReceptorError('RECEPTOR_ABORTED', 'the client was closed'));
    this.#sessions.close();
  }

  /** Closes the client at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.close();
  }

  async #request<C extends Exclude<AnsweredCommand, WorkSubmitCommand>>(
    command: C,
    options: CallOptions,
  ): Promise<ReplyTo<C>> {
    return this.#with(options, (session, signal) => session.request(command, signal));
  }

  /** Gives the work a connection of its own, and a signal that is the call's and the client's. */
  async #with<T>(
    options: CallOptions,
    work: (session: ControlSession, signal: AbortSignal) => Promise<T>,
    repeatable = true,
  ): Promise<T> {
    const ending = anySignal([this.#closing.signal, options.signal]);
    try {
      if (ending.signal.aborted) throw aborted(ending.signal);
      return await this.#sessions.with(ending.signal, (session) => work(session, ending.signal), repeatable);
    } finally {
      ending.release();
    }
  }

  /** Removes a unit that has only part of its payload, before it can run; also when the client was closed. */
  async #takeBack(unitId: string): Promise<void> {
    const overdue = deadline(TAKE_BACK_MS);
    try {
      await this.#sessions.with(overdue.signal, (session) =>
        session.request(end('force-release', unitId), overdue.signal),
      );
    } catch {
      // The daemon is gone, or its connection is; what led here is the error that counts.
    } finally {
      overdue.release();
    }
  }
}

function end<S extends WorkEndCommand['subcommand']>(subcommand: S, unitId: string, signature?: string) {
  return { command: 'work' as const, subcommand, unitId, ...(signature !== undefined && { signature }) };
}
