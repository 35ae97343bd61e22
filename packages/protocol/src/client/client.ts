import type { Duplex } from 'node:stream';
import { parseAddress } from '../address.js';
import { type Command, isUnitId, type WorkSubmitCommand } from '../commands.js';
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
import { aborted } from './io.js';
import type { Payload } from './payload.js';
import { ResultStream, type ResultsOptions } from './results.js';
import { ControlSession, type SubmitEvents } from './session.js';
import { openTransport, type TlsOptions } from './transport.js';

/** Where a client finds the control service. */
export interface ClientOptions extends TlsOptions {
  /** Longest reply accepted, in bytes; default 64 MiB. */
  maxReply?: number;
}

/** Makes a connection to a control service, over whatever carries bytes. */
export type OpenConnection = (signal?: AbortSignal) => Promise<Duplex>;

/** Every call can be ended early. */
export interface CallOptions {
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

/** How long the attempt to remove a unit may take whose payload could not be sent whole. */
const GIVE_UP_MS = 2_000;

/**
 * A client of a control service. It connects when it has something to say and keeps one connection for the next
 * call; calls at the same time have one each. All calls throw a ReceptorError: what the server answered,
 * `RECEPTOR_CONNECT_FAILED`, `RECEPTOR_CONNECTION_LOST`, `RECEPTOR_PROTOCOL` or `RECEPTOR_ABORTED`.
 */
export class ReceptorClient {
  readonly #open: OpenConnection;
  readonly #maxReply: number | undefined;
  readonly #inUse = new Set<{ close(): void }>();
  #idle: { session: ControlSession; unwatch: () => void } | undefined;
  #closed = false;

  /**
   * @param where an address such as `/tmp/foo.sock`, `tcp://host:port`, `tls://host:port` (see `parseAddress`), or a
   *   function that makes a connection.
   * @throws ReceptorError `RECEPTOR_ADDRESS_INVALID`.
   */
  constructor(where: string | OpenConnection, options: ClientOptions = {}) {
    this.#maxReply = options.maxReply;
    if (typeof where === 'string') {
      const address = parseAddress(where);
      this.#open = (signal) => openTransport(address, options, signal);
    } else {
      this.#open = where;
    }
  }

  /** Connects, unless it is connected. @returns the node's ID. */
  async connect(options: CallOptions = {}): Promise<string> {
    return this.#with(options.signal, async (session) => session.nodeId);
  }

  /** What the node knows of itself and the mesh; of `fields` only, where they are given. */
  async status(options: CallOptions & { fields?: readonly string[] } = {}): Promise<Partial<StatusReply>> {
    const { fields } = options;
    return this.#request<Partial<StatusReply>>(
      { command: 'status', ...(fields !== undefined && { requestedFields: fields }) },
      options,
    );
  }

  /** Sends a packet to a node and waits for the answer. A node out of reach is a reply, not an error. */
  async ping(target: string, options: CallOptions = {}): Promise<PingReply> {
    return this.#request<PingReply>({ command: 'ping', target }, options);
  }

  /** Finds the hops to a node. */
  async traceroute(target: string, options: CallOptions = {}): Promise<TracerouteReply> {
    return this.#request<TracerouteReply>({ command: 'traceroute', target }, options);
  }

  /** Makes the daemon read its configuration again. A refusal is a reply, not an error. */
  async reload(options: CallOptions = {}): Promise<ReloadReply> {
    return this.#request<ReloadReply>({ command: 'reload' }, options);
  }

  /** Connects to a service of the mesh. The connection is the caller's, and does not end with the client. */
  async connectService(
    node: string,
    service: string,
    options: CallOptions & { tls?: string } = {},
  ): Promise<Duplex> {
    const { tls, signal } = options;
    return this.#with(signal, (session) =>
      session.connect({ command: 'connect', node, service, ...(tls !== undefined && { tls }) }, signal),
    );
  }

  /**
   * Submits work with its payload. A payload that cannot be sent whole starts nothing: the unit is removed.
   * @throws ReceptorError also `RECEPTOR_PAYLOAD`, `RECEPTOR_WORK_START_FAILED`, `RECEPTOR_PARAMETER_INVALID`.
   */
  async submitWork(options: SubmitOptions): Promise<SubmitReply> {
    const { payload = '', onUnit, onProgress, signal, ...work } = options;
    const command: WorkSubmitCommand = {
      command: 'work',
      subcommand: 'submit',
      node: 'localhost',
      parameters: {},
      ...work,
    };
    const giveUp = async (unitId: string): Promise<void> => {
      await this.releaseWork(unitId, { signal: AbortSignal.timeout(GIVE_UP_MS) }).catch(() => {});
    };
    return this.#with(signal, (session) =>
      session.submit(command, payload, {
        ...(onUnit && { onUnit }),
        ...(onProgress && { onProgress }),
        ...(signal && { signal }),
        giveUp,
      }),
    );
  }

  /** One unit. @throws ReceptorError `RECEPTOR_UNKNOWN_UNIT`. */
  async workStatus(unitId: string, options: CallOptions = {}): Promise<UnitReport> {
    const unit = await this.#request<UnitReport>({ command: 'work', subcommand: 'status', unitId }, options);
    if (typeof unit.State !== 'number' || typeof unit.StdoutSize !== 'number')
      throw new ReceptorError('RECEPTOR_PROTOCOL', `the status of unit ${unitId} has no state or size`);
    return unit;
  }

  /** All units by their ID, or the one of `unitId`. @throws ReceptorError `RECEPTOR_UNKNOWN_UNIT`. */
  async workList(options: CallOptions & { unitId?: string } = {}): Promise<WorkListReply> {
    const { unitId } = options;
    return this.#request<WorkListReply>(
      { command: 'work', subcommand: 'list', ...(unitId !== undefined && { unitId }) },
      options,
    );
  }

  /** Ends a unit. @throws ReceptorError `RECEPTOR_UNKNOWN_UNIT`, `RECEPTOR_SIGNATURE`. */
  async cancelWork(unitId: string, options: CallOptions & { signature?: string } = {}): Promise<CancelReply> {
    return this.#request<CancelReply>({ ...end('cancel', unitId, options.signature) }, options);
  }

  /** Ends and removes a unit; with `force` even where another node that has it cannot be reached. */
  async releaseWork(
    unitId: string,
    options: CallOptions & { force?: boolean; signature?: string } = {},
  ): Promise<ReleaseReply> {
    const subcommand = options.force ? 'force-release' : 'release';
    return this.#request<ReleaseReply>({ ...end(subcommand, unitId, options.signature) }, options);
  }

  /**
   * A unit's output, live, until the unit is complete and all of it was delivered; see {@link ResultStream}.
   * @throws ReceptorError `RECEPTOR_PARAMETER_INVALID` for a start position that is no position; the stream fails with
   *   `RECEPTOR_UNKNOWN_UNIT` and the errors of all calls.
   */
  results(unitId: string, options: ResultsOptions = {}): ResultStream {
    const { startPos = 0, signature } = options;
    if (!isUnitId(unitId)) throw new ReceptorError('RECEPTOR_UNKNOWN_UNIT', `unknown work unit ${unitId}`);
    if (!Number.isSafeInteger(startPos) || startPos < 0)
      throw new ReceptorError('RECEPTOR_PARAMETER_INVALID', `${startPos} is no start position`);
    const stream = new ResultStream(
      {
        open: (position, signal) =>
          this.#with(signal, (session) =>
            session.results(
              {
                command: 'work',
                subcommand: 'results',
                unitId,
                startPos: position,
                ...(signature !== undefined && { signature }),
              },
              signal,
            ),
          ),
        status: (signal) => this.workStatus(unitId, { signal }),
      },
      options,
    );
    const user = { close: () => void stream.destroy(closed()) };
    this.#inUse.add(user);
    stream.once('close', () => this.#inUse.delete(user));
    return stream;
  }

  /** Ends all connections and calls. A client that is closed stays so. */
  close(): void {
    this.#closed = true;
    this.#takeIdle()?.close();
    for (const user of [...this.#inUse]) user.close();
  }

  async #request<T>(command: Command, options: CallOptions): Promise<T> {
    return this.#with(options.signal, (session) => session.request(command, options.signal)) as Promise<T>;
  }

  /** Gives the work a connection of its own, and keeps it for the next if it can be used again. */
  async #with<T>(signal: AbortSignal | undefined, work: (session: ControlSession) => Promise<T>): Promise<T> {
    if (signal?.aborted) throw aborted(signal);
    const session = this.#takeIdle() ?? (await this.#start(signal));
    if (this.#closed) {
      session.close();
      throw closed();
    }
    this.#inUse.add(session);
    try {
      return await work(session);
    } finally {
      this.#inUse.delete(session);
      if (session.usable) this.#keep(session);
    }
  }

  async #start(signal: AbortSignal | undefined): Promise<ControlSession> {
    if (this.#closed) throw closed();
    const stream = await this.#open(signal).catch((cause: unknown) => {
      if (cause instanceof ReceptorError) throw cause;
      if (signal?.aborted) throw aborted(signal);
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new ReceptorError('RECEPTOR_CONNECT_FAILED', `Could not connect: ${why}`, { cause });
    });
    return ControlSession.start(stream, {
      ...(this.#maxReply !== undefined && { maxReply: this.#maxReply }),
      ...(signal && { signal }),
    });
  }

  #keep(session: ControlSession): void {
    if (this.#idle !== undefined || this.#closed) {
      session.close();
      return;
    }
    const unwatch = session.watchIdle(() => {
      if (this.#idle?.session === session) this.#takeIdle();
      session.close();
    });
    this.#idle = { session, unwatch };
  }

  #takeIdle(): ControlSession | undefined {
    const idle = this.#idle;
    this.#idle = undefined;
    idle?.unwatch();
    return idle?.session.usable ? idle.session : undefined;
  }
}

function end(subcommand: 'cancel' | 'release' | 'force-release', unitId: string, signature?: string) {
  return { command: 'work' as const, subcommand, unitId, ...(signature !== undefined && { signature }) };
}

function closed(): ReceptorError {
  return new ReceptorError('RECEPTOR_ABORTED', 'the client was closed');
}
