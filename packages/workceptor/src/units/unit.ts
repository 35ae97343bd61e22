import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { isComplete, stateName, type UnitReport, type UnitStatus, WorkState } from '@receptor/protocol';
import { errorCode, errorText } from '../error-text.js';
import type { Logger } from '../logger.js';
import type { StatusChange, UnitHandle } from '../worker.js';
import { readStatus, replaceStatus } from './status-file.js';

/** Why a unit is no longer with us: its directory was removed, or the daemon lets go of it. */
export type Departure = 'released' | 'detached';

/** A unit's status in memory and on disk, and those who wait for it to change. */
export class Unit implements UnitHandle {
  readonly id: string;
  readonly directory: string;
  readonly stdinPath: string;
  readonly stdoutPath: string;
  readonly log: Logger;
  readonly #keep: (id: string, workType: string, leftover: unknown) => Promise<void>;
  #status: UnitStatus;
  #departure: Departure | undefined;
  #saving: Promise<void> | undefined;
  #queued: Promise<void> | undefined;
  #durable = false;
  #unsaved = false;
  /** Whether another process writes the status file, which then is not ours to bring up to date. */
  #foreign = false;
  readonly #listeners = new Set<() => void>();
  #readers = 0;
  #lastRead = Number.NEGATIVE_INFINITY;

  /** @param keep see {@link UnitHandle.leave} */
  constructor(
    directory: string,
    id: string,
    status: UnitStatus,
    log: Logger,
    keep: (id: string, workType: string, leftover: unknown) => Promise<void>,
  ) {
    this.id = id;
    this.directory = directory;
    this.stdinPath = join(directory, 'stdin');
    this.stdoutPath = join(directory, 'stdout');
    this.log = log;
    this.#status = status;
    this.#keep = keep;
  }

  get status(): Readonly<UnitStatus> {
    return this.#status;
  }

  get complete(): boolean {
    return isComplete(this.#status.State);
  }

  get departure(): Departure | undefined {
    return this.#departure;
  }

  update(change: StatusChange): Promise<void> {
    if (this.complete || this.#departure) return this.#queued ?? this.#saving ?? Promise.resolve();
    const before = this.#status;
    this.#foreign = false;
    this.#status = {
      ...before,
      State: change.state ?? before.State,
      Detail: change.detail ?? before.Detail,
      StdoutSize: this.stdoutSize(),
      ExtraData: change.extraData === undefined ? before.ExtraData : change.extraData,
    };
    if (change.durable || this.#status.State !== before.State) this.#durable = true;
    this.outputChanged();
    return this.#save();
  }

  /** Changes the detail in memory alone, where the directory tells the same by other means. */
  announce(detail: string): void {
    this.#status = { ...this.#status, Detail: detail };
    this.outputChanged();
  }

  /** Takes a complete unit for one that runs, because what it says to have put out is not all there. */
  reopen(): void {
    this.#status = { ...this.#status, State: WorkState.Running };
  }

  async refresh(): Promise<void> {
    this.#foreign = true;
    await this.settle();
    const status = await readStatus(this.directory);
    if (this.#departure || this.complete) return;
    this.#status = status;
    this.outputChanged();
  }

  leave(leftover: unknown): Promise<void> {
    return this.#keep(this.id, this.#status.WorkType, leftover);
  }

  outputChanged(): void {
    for (const listener of this.#listeners) listener();
  }

  /** Calls the listener at every change of status or output and when the unit departs; returns what ends that. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Somebody asks for the output, and will read it. */
  askedFor(): void {
    this.#lastRead = performance.now();
  }

  /** Somebody reads the output; returns what ends that. */
  beginRead(): () => void {
    this.#readers++;
    return () => {
      this.#readers--;
      this.askedFor();
    };
  }

  /** Whether the output is being read, or has been asked for in the last `graceMs`. */
  isRead(graceMs: number): boolean {
    return this.#readers > 0 || performance.now() - this.#lastRead < graceMs;
  }

  /** Bytes of output there are: of an unfinished unit, as the file has it now. */
  stdoutSize(): number {
    if (this.complete) return this.#status.StdoutSize;
    return statSync(this.stdoutPath, { throwIfNoEntry: false })?.size ?? 0;
  }

  /** Whether somebody has removed the directory behind our back. */
  isRemoved(): boolean {
    return !existsSync(this.directory);
  }

  /** The status as replies show it, with its ExtraData as given. */
  report(extraData: unknown): UnitReport {
    const { State, Detail, WorkType } = this.#status;
    return {
      Detail,
      ExtraData: extraData,
      State,
      StateName: stateName(State),
      StdoutSize: this.stdoutSize(),
      WorkType,
    };
  }

  /** Brings what is on disk up to date, where an earlier write failed or output has grown since. */
  async keepUp(): Promise<void> {
    if (!this.needsKeeping || this.#saving !== undefined) return;
    if (!this.#unsaved) {
      const size = this.stdoutSize();
      if (size === this.#status.StdoutSize) return;
      this.#status = { ...this.#status, StdoutSize: size };
    }
    await this.#save().catch(() => undefined);
  }

  /** Whether {@link keepUp} may still find something to do. */
  get needsKeeping(): boolean {
    return !this.#departure && !this.#foreign && (!this.complete || this.#unsaved);
  }

  /** Ends all writing to the directory; resolves when the last write has ended. Readers are woken. */
  async depart(departure: Departure): Promise<void> {
    this.#departure = departure;
    this.outputChanged();
    await this.settle();
  }

  /** Takes back a departure, because the directory could not be removed. */
  remain(): void {
    this.#departure = undefined;
  }

  /** Resolves when nothing is being written. */
  async settle(): Promise<void> {
    for (;;) {
      const writing = this.#queued ?? this.#saving;
      if (!writing) return;
      await writing.catch(() => undefined);
    }
  }

  #save(): Promise<void> {
    this.#queued ??= this.#saveNext();
    return this.#queued;
  }

  async #saveNext(): Promise<void> {
    // Changes that come until the write before this one has ended are written with this one.
    await this.#saving?.catch(() => undefined);
    const durable = this.#durable;
    this.#durable = false;
    this.#queued = undefined;
    const saving = replaceStatus(this.directory, this.#status, durable);
    this.#saving = saving;
    try {
      await saving;
      this.#unsaved = false;
    } catch (error) {
      if (errorCode(error) === 'ENOENT' && this.isRemoved()) {
        if (!this.#departure) this.log.warning(`Directory of unit ${this.id} has disappeared.`);
        this.#departure ??= 'released';
        this.outputChanged();
        return;
      }
      if (!this.#unsaved) {
        this.log.error(`Error updating status file of unit ${this.id}: ${errorText(error)}`);
      }
      this.#unsaved = true;
      this.#durable ||= durable;
      throw error;
    } finally {
      if (this.#saving === saving) this.#saving = undefined;
    }
  }
}
