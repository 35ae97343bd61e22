import { mkdirSync, readdirSync, readFileSync, rmdirSync, statSync } from 'node:fs';
import { readdir, rm, rmdir, unlink } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ReceptorError, type UnitReport, type UnitStatus, WorkState } from '@receptor/protocol';
import { errorCode, errorText } from '../error-text.js';
import { type Logger, silentLogger } from '../logger.js';
import { makeDirectory } from '../make-directory.js';
import { UnitResults } from '../results/unit-results.js';
import type { Origin, Parameters, WorkType } from '../worker.js';
import type { RemoteAccess } from '../workers/remote/access.js';
import { isSecret, newExtraData, type RemoteRequest } from '../workers/remote/extra-data.js';
import { REMOTE, remoteWorkType } from '../workers/remote/work-type.js';
import { Assignment, type Outcome } from './assignment.js';
import { followUnit, type UnitEvent } from './following.js';
import { Housekeeping, LEFTOVERS_DIRECTORY } from './housekeeping.js';
import { createStatus, readStatus, STATUS_FILE } from './status-file.js';
import { Submission, WAITING_FOR_INPUT } from './submission.js';
import { checkKey, KEY_LINK, SubmitKeys, writeKey } from './submit-keys.js';
import { Unit } from './unit.js';
import { isUnitId, randomUnitId } from './unit-id.js';

/** How often the sizes of running units are brought to disk, and failed writes tried again. */
const KEEP_UP_MS = 1000;
const REMOVE_ATTEMPTS = 3;
const REMOVE_RETRY_MS = 1000;
/** What the first status of every unit begins with. */
const FIRST_WORDS = `{"State":${WorkState.Pending},"Detail":"${WAITING_FOR_INPUT}",`;

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
  readonly #log: Logger;
  readonly #types = new Map<string, WorkType>();
  readonly #units = new Map<string, Assignment>();
  readonly #keys = new SubmitKeys();
  readonly #loading = new Map<string, Promise<Assignment | undefined>>();
  readonly #housekeeping: Housekeeping;
  readonly #remote: { readonly access: RemoteAccess; readonly type: WorkType } | undefined;
  #keepingUp: NodeJS.Timeout | undefined;
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
    this.#log = logger;
    this.#remote = remote && { access: remote, type: remoteWorkType(remote) };
    if (this.#remote) this.#types.set(REMOTE, this.#remote.type);
    this.#housekeeping = new Housekeeping({
      directory: this.directory,
      typeOf: (name) => this.#types.get(name),
      isUnit: (id) => this.#units.has(id),
      log: logger,
    });
  }

  /**
   * Adds a work type. Units of that type which an earlier process left are taken up by {@link open}, or at once
   * when the Workceptor is open already.
   * @throws ReceptorError `RECEPTOR_CONFIG_INVALID` when the name is taken or reserved.
   */
  registerWorkType(type: WorkType): void {
    if (type.name === REMOTE || this.#types.has(type.name)) {
      throw new ReceptorError('RECEPTOR_CONFIG_INVALID', `work type ${type.name} already registered`);
    }
    this.#types.set(type.name, type);
    for (const assignment of this.#units.values()) assignment.offer(type);
    if (this.#state === 'open') this.#housekeeping.offer(type);
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
    for (const entry of await this.#entries()) {
      const found = await this.#locate(entry);
      // A submit that was refused, or that ended before its ID was given out, leaves this with the Go daemon.
      if (!found && isUnitId(entry)) await rmdir(join(this.directory, entry)).catch(() => undefined);
    }
    await this.#housekeeping.open();
    for (const type of this.#types.values()) this.#housekeeping.offer(type);
  }

  /** Lets go of all units. Running ones go on; a Workceptor that is opened on the same directory takes them up. */
  async close(): Promise<void> {
    this.#state = 'closed';
    clearInterval(this.#keepingUp);
    await Promise.allSettled(this.#loading.values());
    await this.#housekeeping.close();
    await Promise.all([...this.#units.values()].map((assignment) => assignment.detach()));
    this.#units.clear();
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
    return this.#keys.inTurn(key, async () => {
      const id = this.#keys.unitOf(key);
      const known = id === undefined ? undefined : await this.#find(id).catch(() => undefined);
      if (known && known.unit.status.WorkType !== type.name)
        throw new ReceptorError('RECEPTOR_BAD_COMMAND', 'idempotencykey was that of another submit');
      if (known && !(await known.withdraw(() => this.#remove(known.unit))))
        return new Submission(known.unit, () => known.start(), true);
      if (known) this.#forget(known);
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
    const unit = await this.#create(status, key);
    if (this.#state !== 'open') await removeDirectory(unit.directory);
    this.#assertOpen();
    const assignment = new Assignment(unit, type);
    this.#units.set(unit.id, assignment);
    if (key !== undefined) this.#keys.add(key, unit.id);
    this.#keepUp();
    return new Submission(unit, () => assignment.start());
  }

  /** The status of one unit. @throws ReceptorError `RECEPTOR_UNKNOWN_UNIT` */
  async status(id: string): Promise<UnitReport> {
    return (await this.#find(id)).report();
  }

  /** The status of every unit, by ID. */
  list(): Record<string, UnitReport> {
    this.#assertOpen();
    const reports: Record<string, UnitReport> = {};
    for (const id of [...this.#units.keys()].sort()) {
      const assignment = this.#units.get(id);
      if (assignment && assignment.unit.departure !== 'released') reports[id] = assignment.report();
    }
    return reports;
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
    const assignment = await this.#find(id);
    const outcome = await assignment.release(options.force ?? false, () => this.#remove(assignment.unit));
    this.#forget(assignment);
    return outcome;
  }

  /**
   * The output of a unit from a position on, live: it ends when the unit is complete and all has been read.
   * @param startPosition in bytes; negative, or past the end of a complete unit's output: nothing.
   * @throws ReceptorError `RECEPTOR_UNKNOWN_UNIT`
   */
  async results(id: string, startPosition = 0, signal?: AbortSignal): Promise<UnitResults> {
    return new UnitResults((await this.#find(id)).unit, startPosition, signal);
  }

  /**
   * Everything that happens to a unit, as it happens; see {@link followUnit}.
   * @param startPosition bytes of output to leave out
   * @throws ReceptorError `RECEPTOR_UNKNOWN_UNIT`
   */
  async follow(id: string, startPosition: number, signal?: AbortSignal): Promise<AsyncIterable<UnitEvent>> {
    return followUnit((await this.#find(id)).unit, startPosition, signal);
  }

  #assertOpen(): void {
    if (this.#state === 'open') return;
    throw new ReceptorError('RECEPTOR_ABORTED', 'work service is not running');
  }

  async #find(id: string): Promise<Assignment> {
    this.#assertOpen();
    const known = this.#units.get(id);
    if (known?.unit.departure === 'released') {
      // Somebody has removed its directory.
      this.#forget(known);
      void known.detach();
    }
    const assignment = this.#units.get(id) ?? (isUnitId(id) ? await this.#locate(id) : undefined);
    if (!assignment) throw new ReceptorError('RECEPTOR_UNKNOWN_UNIT', `unknown work unit ${id}`);
    return assignment;
  }

  #forget(assignment: Assignment): void {
    const { id } = assignment.unit;
    if (this.#units.get(id) !== assignment) return;
    this.#units.delete(id);
    this.#keys.forget(id);
  }

  /** What is in the node's directory and should be a unit; nothing where there is no directory yet. */
  async #entries(): Promise<string[]> {
    try {
      return (await readdir(this.directory)).filter((name) => name !== LEFTOVERS_DIRECTORY);
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return [];
      throw error;
    }
  }

  /** Loads a unit from disk, once however often it is asked for. */
  async #locate(id: string): Promise<Assignment | undefined> {
    const known = this.#units.get(id) ?? this.#loading.get(id);
    if (known) return known;
    const loading = this.#load(id).finally(() => this.#loading.delete(id));
    this.#loading.set(id, loading);
    return loading;
  }

  async #load(id: string): Promise<Assignment | undefined> {
    const directory = join(this.directory, id);
    const nowhere = () => {
      this.#log.error(`Error locating unit: ${id}`);
      return undefined;
    };
    if (!isUnitId(id)) return nowhere();
    let status: UnitStatus;
    let readable = true;
    try {
      status = await readStatus(directory);
    } catch (error) {
      if (!isDirectory(directory)) return nowhere();
      if (errorCode(error) === 'ENOENT') {
        this.#log.warning(`Status file has disappeared for ${id}.`);
        return undefined;
      }
      if (isUnborn(directory)) {
        await removeDirectory(directory);
        return undefined;
      }
      this.#log.error(`Failed to restart worker ${directory} due to read error: ${errorText(error)}`);
      const detail = `Failed to restart: status file cannot be read: ${errorText(error)}`;
      status = { State: WorkState.Failed, Detail: detail, StdoutSize: 0, WorkType: '', ExtraData: null };
      readable = false;
    }
    if (this.#state !== 'open') return undefined;
    const assignment = new Assignment(this.#unit(directory, id, status));
    this.#units.set(id, assignment);
    this.#keys.load(directory, id);
    const type = readable ? this.#types.get(status.WorkType) : undefined;
    if (type) assignment.offer(type);
    this.#keepUp();
    return assignment;
  }

  async #create(status: UnitStatus, key: string | undefined): Promise<Unit> {
    for (;;) {
      const id = randomUnitId();
      const directory = join(this.directory, id);
      try {
        mkdirSync(directory, { mode: 0o700 });
      } catch (error) {
        if (errorCode(error) === 'EEXIST') continue;
        if (errorCode(error) !== 'ENOENT') throw error;
        makeDirectory(this.directory);
        continue;
      }
      try {
        if (key !== undefined) writeKey(directory, key);
        await createStatus(directory, status);
        return this.#unit(directory, id, status);
      } catch (error) {
        await rm(directory, { recursive: true, force: true }).catch(() => undefined);
        throw error;
      }
    }
  }

  #unit(directory: string, id: string, status: UnitStatus): Unit {
    return new Unit(directory, id, status, this.#log, (...about) => this.#housekeeping.keep(...about));
  }

  async #remove(unit: Unit): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        await removeDirectory(unit.directory);
        return;
      } catch (error) {
        this.#log.error(`Error removing directory of unit ${unit.id}: ${errorText(error)}`);
        if (attempt === REMOVE_ATTEMPTS) throw error;
      }
      await delay(REMOVE_RETRY_MS);
    }
  }

  #keepUp(): void {
    this.#keepingUp ??= setInterval(() => {
      // Of a unit whose work type is unknown nothing is ever written.
      const kept = [...this.#units.values()].filter(({ type, unit }) => type && unit.needsKeeping);
      for (const { unit } of kept) void unit.keepUp();
      if (kept.length > 0) return;
      clearInterval(this.#keepingUp);
      this.#keepingUp = undefined;
    }, KEEP_UP_MS).unref();
  }
}

function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}

/** Whether a process has ended while it made this directory, before the first status was whole and the ID given out. */
function isUnborn(directory: string): boolean {
  if (readdirSync(directory).some((name) => name !== STATUS_FILE && name !== KEY_LINK)) return false;
  const text = readFileSync(join(directory, STATUS_FILE), 'utf8');
  return !text.endsWith('\n') && (text.startsWith(FIRST_WORDS) || FIRST_WORDS.startsWith(text));
}

/**
 * Removes a unit's directory, which holds a few plain files as a rule; `rm` is for the exceptions. The status goes
 * last: as long as anything is there, the unit is known and can be released again.
 */
async function removeDirectory(directory: string): Promise<void> {
  const status = join(directory, STATUS_FILE);
  try {
    const others = readdirSync(directory).filter((name) => name !== STATUS_FILE);
    await Promise.all(others.map((name) => unlink(join(directory, name))));
    await unlink(status).catch(() => undefined);
    rmdirSync(directory);
  } catch {
    await rm(directory, { recursive: true, force: true });
  }
}
