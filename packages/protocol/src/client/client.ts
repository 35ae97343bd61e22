import type { Duplex } from 'node:stream';
import { Readable } from 'node:stream';
import type { WorkSubmitCommand } from '../commands.js';
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
import { type ResultsOptions, readResults } from './results.js';
import { ControlSession } from './session.js';
import { type Payload, type SubmitOptions, submitWork } from './submit.js';
import { type TlsSettings, type Transport, transportTo } from './transport.js';

/** What every call takes. */
export interface CallOptions {
  /** Cancels the call, which then throws `RECEPTOR_ABORTED`. */
  signal?: AbortSignal | undefined;
}

/** What to submit; see {@link WorkSubmitCommand} for the members. `node` is this one unless named. */
export type WorkRequest = Partial<Omit<WorkSubmitCommand, 'command' | 'subcommand' | 'workType'>> & {
  workType: string;
};

/**
 * A client of a control service. Short commands share one connection, opened when first needed and again after it
 * was lost; submits, results and bridges have one of their own. All calls throw {@link ReceptorError}: with the code
 * of the daemon's answer, `RECEPTOR_CONNECT_FAILED`, `RECEPTOR_CONNECTION_LOST`, `RECEPTOR_PROTOCOL` or
 * `RECEPTOR_ABORTED`.
 */
export class ReceptorClient {
  readonly #transport: Transport;
  #session: Promise<ControlSession> | undefined;

  /** @param transport where the control service is: {@link transportTo} an address, or one of the caller's own. */
  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /**
   * Connects to an address, such as `unix:/tmp/foo.sock` or `tls://host:2222`.
   * @throws ReceptorError `RECEPTOR_ADDRESS_INVALID`, `RECEPTOR_CONNECT_FAILED`, `RECEPTOR_PROTOCOL`
   */
  static async connect(address: string, options: CallOptions & TlsSettings = {}): Promise<ReceptorClient> {
    const client = new ReceptorClient(transportTo(address, options));
    await client.#open(options.signal);
    return client;
  }

  /** The ID of the node that answers. */
  async nodeId(options: CallOptions = {}): Promise<string> {
    return (await this.#open(options.signal)).nodeId;
  }

  /** What the node knows of itself and the mesh; only `requestedFields`, where given (reference: control, 2). */
  async status(options: CallOptions & { requestedFields?: readonly string[] } = {}): Promise<StatusReply> {
    const { requestedFields } = options;
    const command = { command: 'status' as const, ...(requestedFields && { requestedFields }) };
    return (await this.#open(options.signal)).command(command, options.signal);
  }

  /** Sends a packet to a node. A node that does not answer is a reply with `Success: false`, not an error. */
  async ping(target: string, options: CallOptions = {}): Promise<PingReply> {
    return (await this.#open(options.signal)).command({ command: 'ping', target }, options.signal);
  }

  /** The hops to a node (reference: control, 3). */
  async traceroute(target: string, options: CallOptions = {}): Promise<TracerouteReply> {
    return (await this.#open(options.signal)).command({ command: 'traceroute', target }, options.signal);
  }

  /** Makes the daemon read its configuration again. A refusal is a reply with `Success: false`, not an error. */
  async reload(options: CallOptions = {}): Promise<ReloadReply> {
    return (await this.#open(options.signal)).command({ command: 'reload' }, options.signal);
  }

  /**
   * A stream to a service of a node, through this node (reference: control, 4).
   * @param options.tls name of a `tls-client` in the configuration of the daemon that is asked
   */
  async connectService(
    node: string,
    service: string,
    options: CallOptions & { tls?: string | undefined } = {},
  ): Promise<Duplex> {
    const { signal, tls } = options;
    const session = await ControlSession.open(this.#transport, signal);
    try {
      const { stream } = await session.hand(
        { command: 'connect', node, service, ...(tls && { tls }) },
        signal,
      );
      return stream;
    } catch (error) {
      session.close();
      throw error;
    }
  }

  /** A client of the control service of another node, through this one. */
  through(node: string, options: { service?: string; tls?: string | undefined } = {}): ReceptorClient {
    return new ReceptorClient((signal) =>
      this.connectService(node, options.service ?? 'control', { signal, tls: options.tls }),
    );
  }

  /**
   * Submits a unit: sends the payload with backpressure and then its end. Resolves when the unit is started
   * (`Job Started`) or will be (`Job Submitted`).
   * @throws ReceptorError also `RECEPTOR_WORK_START_FAILED`: there is a unit, and its Detail says why it failed
   */
  submit(request: WorkRequest, payload: Payload = '', options: SubmitOptions = {}): Promise<SubmitReply> {
    const command: WorkSubmitCommand = {
      command: 'work',
      subcommand: 'submit',
      node: 'localhost',
      parameters: {},
      ...request,
    };
    return submitWork(this.#transport, command, payload, options);
  }

  /** One unit. @throws ReceptorError also `RECEPTOR_UNKNOWN_UNIT` */
  async workStatus(unitId: string, options: CallOptions = {}): Promise<UnitReport> {
    return (await this.#open(options.signal)).command(
      { command: 'work', subcommand: 'status', unitId },
      options.signal,
    );
  }

  /** All units, or the one named. */
  async workList(options: CallOptions & { unitId?: string | undefined } = {}): Promise<WorkListReply> {
    const { unitId, signal } = options;
    return (await this.#open(signal)).command(
      { command: 'work', subcommand: 'list', ...(unitId && { unitId }) },
      signal,
    );
  }

  /** Ends a unit's work. @throws ReceptorError also `RECEPTOR_UNKNOWN_UNIT` */
  async cancel(unitId: string, options: CallOptions = {}): Promise<CancelReply> {
    return (await this.#open(options.signal)).command(
      { command: 'work', subcommand: 'cancel', unitId },
      options.signal,
    );
  }

  /** Ends a unit and removes it. `force` removes it here also when the node that runs it cannot be reached. */
  async release(
    unitId: string,
    options: CallOptions & { force?: boolean | undefined } = {},
  ): Promise<ReleaseReply> {
    const subcommand = options.force ? 'force-release' : 'release';
    return (await this.#open(options.signal)).command(
      { command: 'work', subcommand, unitId },
      options.signal,
    );
  }

  /**
   * A unit's output, live, to its end; it survives the loss of the connection.
   * @throws ReceptorError also `RECEPTOR_UNKNOWN_UNIT`. How the unit ended is for {@link workStatus} to tell.
   */
  results(unitId: string, options: ResultsOptions = {}): AsyncGenerator<Buffer, void, undefined> {
    return readResults(this.#transport, unitId, options);
  }

  /** {@link results} as a stream of bytes. */
  resultsStream(unitId: string, options: ResultsOptions = {}): Readable {
    return Readable.from(this.results(unitId, options), { objectMode: false });
  }

  /** Ends the shared connection. A later call opens a new one. */
  async close(): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    // One that never opened has told its caller so.
    await session?.then(
      (open) => open.close(),
      () => {},
    );
  }

  async #open(signal: AbortSignal | undefined): Promise<ControlSession> {
    const session = await this.#session?.catch(() => undefined);
    if (session?.usable) return session;
    const opening = ControlSession.open(this.#transport, signal);
    this.#session = opening;
    return opening;
  }
}
