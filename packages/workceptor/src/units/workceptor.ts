import { resolve } from 'node:path';
import { ReceptorError, type UnitReport, type UnitStatus, WorkState } from '@receptor/protocol';
import { type Logger, silentLogger } from '../logger.js';
import { UnitResults } from '../results/unit-results.js';
import type { Origin, Parameters, WorkType } from '../worker.js';
import type { RemoteAccess } from '../workers/remote/access.js';
import { isSecret, newExtraData, type RemoteRequest } from '../workers/remote/extra-data.js';
import { REMOTE, remoteWorkType } from '../workers/remote/work-type.js';
import type { Assignment, Outcome } from './assignment.js';
import { followUnit, type UnitEvent } from './following.js';
import { Housekeeping } from './housekeeping.js';
import { Pruning, type Retention } from './pruning.js';
import { Submission, WAITING_FOR_INPUT } from './submission.js';
import { checkKey } from './submit-keys.js';
import { UnitStore } from './unit-store.js';

/** What a {@link Workceptor} is made with. */
export interface WorkceptorOptions {
  /** The node's ID; units live in the directory of that name in `dataDir`. */
  nodeId: string;
  /** `datadir` of the configuration. Created when the first unit needs it. */
  dataDir: string;
  /** How other nodes are reached; without it, no work can be submitted to any. */
  remote?: RemoteAccess;
  /** Default: silence. */
  logger?: Logger;
}

/** A submit, as far as the node itself understands it. */
export interface SubmitRequest {
  workType: string;
  parameters: Parameters;
  origin: Origin;
  /** The name of the submit; one that comes again makes no second unit. */
  idempotencyKey?: string;
}

/** A work type as service advertisements name it. */
export interface WorkCommand {
  WorkType: string;
  /** Whether submits of this type must be signed. */
  Secure: boolean;
}

/** The work units of a node and the work types it offers. Make it, register the types, then {@link open} it. */
export class Workceptor {
  /** Where the units' directories are. */
  readonly directory: string;
  readonly #types = new Map<string, WorkType>();
  readonly #units: UnitStore;
  readonly #housekeeping: Housekeeping;
  readonly #pruning: Pruning;
  readonly #remote: { readonly access: RemoteAccess; readonly type: WorkType } | undefined;
  #state: 'new' | 'open' | 'closed' = 'new';

  /** @throws ReceptorError `RECEPTOR_CONFIG_INVALID` when the node ID cannot be the name of a directory. */
  constructor(options: WorkceptorOptions) {
    const { nodeId, dataDir, remote, logger = silentLogger } = options;
    if (!/^[^/\0]+$/.test(nodeId) || nodeId === '.' || nodeId === '..') {
      throw new ReceptorError(
        'RECEPTOR_CONFIG_INVALID',
        `node ID ${nodeId} cannot be used as a directory name`,
      );
    }
    this.directory = resolve(dataDir, nodeId);
    this.#remote = remote && { access: remote, type: remoteWorkType(remote) };
    if (this.#remote) this.#types.set(REMOTE, this.#remote.type);
    const about = {
      directory: this.directory,
      typeOf: (name: string) => this.#types.get(name),
      log: logger,
    };
    this.#housekeeping = new Housekeeping({ ...about, isUnit: (id) => this.#units.has(id) });
    this.#units = new UnitStore({ ...about, keep: (...left) => this.#housekeeping.keep(...left) });
    this.#pruning = new Pruning(this.#units, logger);
  }

  /**
   * Adds a work type. Units of that type which an earlier process left are taken up by {@link open}, or at once
   * when the Workceptor is open already.
   * @throws ReceptorError `RECEPTOR_CONFIG_INVALID` when the name is taken or reserved, or `maxRunning` is no number of units.
   */
  registerWorkType(type: WorkType): void {
    const { maxRunning = 1 } = type;
    if (!Number.isInteger(maxRunning) || maxRunning < 1)
      throw new ReceptorError(
        'RECEPTOR_CONFIG_INVALID',
        `work type ${type.name}: the number of units that may run at a time must be at least 1, not ${maxRunning}`,
      );
    if (type.name === REMOTE || this.#types.has(type.name)) {
      throw new ReceptorError('RECEPTOR_CONFIG_INVALID', `work type ${type.name} already registered`);
    }
    this.#types.set(type.name, type);
    const { turns } = this.#units;
    // The one that has waited longest goes first, in whatever order they are offered.
    turns.hold();
    for (const assignment of this.#units) assignment.offer(type);
    if (this.#state !== 'open') return;
    turns.proceed();
    this.#housekeeping.offer(type);
  }

  /** The work types, in order of registration. */
  workTypes(): WorkCommand[] {
    return [...this.#types.values()]
      .filter(({ name }) => name !== REMOTE)
      .map((type) => ({ WorkType: type.name, Secure: type.verifiesSignature }));
  }

  /** @throws ReceptorError `RECEPTOR_UNKNOWN_WORK_TYPE` */
  workType(name: string): WorkType {
    const type = this.#types.get(name);
    if (!type) throw new ReceptorError('RECEPTOR_UNKNOWN_WORK_TYPE', `unknown work type ${name}`);
    return type;
  }

  /**
   * Reads the units that are on disk and takes up those that are not complete; their workers go on in the
   * background. What is no unit is reported in the log and left alone.
   */
  async open(): Promise<void> {
    if (this.#state !== 'new') throw new Error('a Workceptor is opened once');
    this.#state = 'open';
    await this.#units.open();
    await this.#housekeeping.open();
    for (const type of this.#types.values()) this.#housekeeping.offer(type);
  }

  /** Lets go of all units. Running ones go on; a Workceptor that is opened on the same directory takes them up. */
  async close(): Promise<void> {
    this.#state = 'closed';
    await Promise.all([this.#housekeeping.close(), this.#pruning.close(), this.#units.close()]);
  }

  /**
   * Has finished units released when they are older or more than this; without limits, which is the state in the beginning, all
   * are kept. A unit that has not ended, whose results are being read, or whose work type the node does not offer is never
   * released so.
   * @throws ReceptorError `RECEPTOR_CONFIG_INVALID` when a limit is no number, or negative
   */
  keepFinished(retention: Retention): void {
    for (const limit of [retention.maxAgeMs, retention.maxUnits])
      if (limit !== undefined && !(limit >= 0))
        throw new ReceptorError('RECEPTOR_CONFIG_INVALID', `finished units cannot be kept up to ${limit}`);
    this.#pruning.keep(retention);
  }

  /**
   * Allocates a unit: validates the submit, makes the directory and writes the first status. The ID is given out
   * when that is durable; nothing remains of a submit that is refused. One whose name is known gives the unit that was
   * started for it, if there is one; see {@link Submission.started}.
   * @throws ReceptorError `RECEPTOR_UNKNOWN_WORK_TYPE`, `RECEPTOR_BAD_COMMAND`, or what the work type refuses the parameters with.
   */
  async allocate(request: SubmitRequest): Promise<Submission> {
    this.#assertOpen();
    const type = this.workType(request.workType);
    const extraData = await type.prepare(request.parameters, request.origin);
    return this.#allocateOnce(type, extraData, request.idempotencyKey);
  }

  /**
   * Allocates a unit that another node will do; otherwise as {@link allocate}.
   * @throws ReceptorError `RECEPTOR_BAD_COMMAND` when there are no TLS settings of that name, or secrets would go without TLS
   */
  async allocateRemote(request: RemoteRequest & Pick<SubmitRequest, 'idempotencyKey'>): Promise<Submission> {
    this.#assertOpen();
    if (!this.#remote)
      throw new ReceptorError('RECEPTOR_WORK_START_FAILED', 'this node does not reach any other');
    if (request.tlsClient) this.#remote.access.checkTlsClient(request.tlsClient);
    if (!request.tlsClient && Object.keys(request.parameters).some(isSecret))
      throw new ReceptorError('RECEPTOR_BAD_COMMAND', 'cannot send secrets over a non-TLS connection');
    return this.#allocateOnce(this.#remote.type, newExtraData(request), request.idempotencyKey);
  }

  async #allocateOnce(type: WorkType, extraData: unknown, key: string | undefined): Promise<Submission> {
    if (key === undefined) return this.#allocate(type, extraData);
    checkKey(key);
    const { keys } = this.#units;
    return keys.inTurn(key, async () => {
      const id = keys.unitOf(key);
      const known = id === undefined ? undefined : await this.#find(id).catch(() => undefined);
      if (known && known.unit.status.WorkType !== type.name)
        throw new ReceptorError('RECEPTOR_BAD_COMMAND', 'idempotencykey was that of another submit');
      if (known && !(await this.#units.withdraw(known)))
        return new Submission(known.unit, () => known.start(), true);
      return this.#allocate(type, extraData, key);
    });
  }

  async #allocate(type: WorkType, extraData: unknown, key?: string): Promise<Submission> {
    const status: UnitStatus = {
      State: WorkState.Pending,
      Detail: WAITING_FOR_INPUT,
      StdoutSize: 0,
      WorkType: type.name,
      ExtraData: extraData ?? null,
    };
    const assignment = await this.#units.create(type, status, key);
    if (!assignment) throw notRunning();
    return new Submission(assignment.unit, () => assignment.start());
  }

  /** The status of one unit. @throws ReceptorError `RECEPTOR_UNKNOWN_UNIT` */
  async status(id: string): Promise<UnitReport> {
    return (await this.#find(id)).report();
  }

  /** The status of every unit, by ID. */
  list(): Record<string, UnitReport> {
    this.#assertOpen();
    const present = [...this.#units].filter(({ unit }) => unit.departure !== 'released');
    present.sort((one, other) => (one.unit.id < other.unit.id ? -1 : 1));
    return Object.fromEntries(present.map((assignment) => [assignment.unit.id, assignment.report()]));
  }

  /** Whether commands about a unit must be signed. @throws ReceptorError `RECEPTOR_UNKNOWN_UNIT` */
  async verifiesSignature(id: string): Promise<boolean> {
    return (await this.#find(id)).verifiesSignature;
  }

  /**
   * Cancels a unit; resolves when it has ended. A unit that waits for its payload will not be started. Nothing
   * happens to a complete one.
   * @returns `pending` when another node has to be told of it, and cannot be reached yet
   * @throws ReceptorError `RECEPTOR_UNKNOWN_UNIT`, or why the work could not be ended.
   */
  async cancel(id: string): Promise<Outcome> {
    return (await this.#find(id)).cancel();
  }

  /**
   * Cancels a unit and removes its directory.
   * @param options.force forget the unit whatever goes wrong on the way.
   * @returns `pending` when the unit is gone here, and another node that has it will be told later
   * @throws ReceptorError `RECEPTOR_UNKNOWN_UNIT`; without `force`, why the unit could not be ended or removed.
   */
  async release(id: string, options: { force?: boolean } = {}): Promise<Outcome> {
    return this.#units.release(await this.#find(id), options.force ?? false);
  }

  /**
   * The output of a unit from a position on, live: it ends when the unit is complete and all has been read.
   * @param startPosition in bytes; negative, or past the end of a complete unit's output: nothing.
   * @throws ReceptorError `RECEPTOR_UNKNOWN_UNIT`
   */
  async results(id: string, startPosition = 0, signal?: AbortSignal): Promise<UnitResults> {
    const { unit } = await this.#find(id);
    unit.askedFor();
    return new UnitResults(unit, startPosition, signal);
  }

  /**
   * Everything that happens to a unit, as it happens; see {@link followUnit}.
   * @param startPosition bytes of output to leave out
   * @throws ReceptorError `RECEPTOR_UNKNOWN_UNIT`
   */
  async follow(id: string, startPosition: number, signal?: AbortSignal): Promise<AsyncIterable<UnitEvent>> {
    const { unit } = await this.#find(id);
    unit.askedFor();
    return followUnit(unit, startPosition, signal);
  }

  #assertOpen(): void {
    if (this.#state !== 'open') throw notRunning();
  }

  async #find(id: string): Promise<Assignment> {
    this.#assertOpen();
    const assignment = await this.#units.find(id);
    if (!assignment) throw new ReceptorError('RECEPTOR_UNKNOWN_UNIT', `unknown work unit ${id}`);
    return assignment;
  }
}

const notRunning = () => new ReceptorError('RECEPTOR_ABORTED', 'work service is not running');
