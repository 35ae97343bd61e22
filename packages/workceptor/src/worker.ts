import type { UnitStatus, WorkState } from '@receptor/protocol';
import type { Logger } from './logger.js';

/** How a submit reached the daemon; what a caller is trusted with depends on it. */
export type Origin = 'unix' | 'tcp' | 'mesh';

/** The parameters of a submit: every value is a string (reference: control, 6). */
export type Parameters = Readonly<Record<string, string>>;

/** A change to a unit's status; members left out stay as they are. */
export interface StatusChange {
  state?: WorkState;
  detail?: string;
  extraData?: unknown;
  /**
   * Whether the change must outlast a loss of power; what else is written outlasts the end of the process only.
   * A change of state always is durable.
   */
  durable?: boolean;
}

/** What a worker is given of the unit it works for. */
export interface UnitHandle {
  readonly id: string;
  /** The unit's directory, absolute. A worker may keep files of its own there (mode 0600). */
  readonly directory: string;
  /** The payload; complete and never changed once the worker is started. */
  readonly stdinPath: string;
  /** The output; the worker appends to it and nothing else does. */
  readonly stdoutPath: string;
  readonly log: Logger;
  /** The status as it was last written. */
  readonly status: Readonly<UnitStatus>;
  /**
   * Changes the status, in memory at once and on disk atomically; resolves when it is on disk. Changes are
   * written in the order of the calls; those that come while another is being written are written as one. A
   * change that follows a complete state is ignored. Rejects when the status could not be written; it stays in
   * force in memory and is written when the disk allows it.
   */
  update(change: StatusChange): Promise<void>;
  /** Takes over the status that another process, such as a Go daemon's command runner, has written to the file. */
  refresh(): Promise<void>;
  /**
   * Remembers, durably, what the unit leaves outside of its directory and could not free yet; in words that only its
   * work type has to understand. The node gives it to {@link WorkType.free}, whatever becomes of the unit.
   */
  leave(leftover: unknown): Promise<void>;
  /** Says that the output has grown, or is whole; whoever reads it live is woken. */
  outputChanged(): void;
}

/**
 * One unit at work. `start` or `resume` is called once, at first; the others only after it has settled, one at a
 * time, and `release` and `detach` at most once. `cancel` is not called once the state is complete. Of a unit that
 * was complete when the daemon started, only `release` and `detach` are called.
 */
export interface Worker {
  /**
   * Whether what `start`, `cancel` or `release` has resolved for goes on in the background, because another node could not be
   * reached. Default: no.
   */
  readonly pending?: boolean;
  /** Whether `release` ends the work too, so that no `cancel` has to come before it. Default: no. */
  readonly releaseCancels?: boolean;
  /**
   * Starts the unit, whose payload is complete. Resolves when it is started, or when its start goes on in the
   * background (a pod being created); what happens later is told through {@link UnitHandle.update}.
   * @throws ReceptorError when it cannot start; the unit then fails with `Error starting worker: <message>`.
   */
  start(): Promise<void>;
  /** Takes up a unit that an earlier process of the daemon left Pending or Running. */
  resume(): Promise<void>;
  /** Ends the work and writes the state Canceled, last. Harmless where nothing runs any more. */
  cancel(): Promise<void>;
  /**
   * Frees what is kept outside the unit's directory, such as a pod. Called before the directory is removed.
   * @param force the unit is forgotten whatever becomes of this
   */
  release(force: boolean): Promise<void>;
  /** Lets go of the unit without ending its work, because the daemon ends. No timer, socket or watcher stays. */
  detach(): Promise<void>;
}

/** A work type: what a `work-*` section of the configuration registers. */
export interface WorkType {
  readonly name: string;
  /** Whether submits must be signed (`verifysignature`). */
  readonly verifiesSignature: boolean;
  /** How many units may be under way at a time; the others wait, Pending, in their order. Default: any number. */
  readonly maxRunning?: number;
  /**
   * Checks a submit's parameters and returns the ExtraData the unit starts with.
   * @throws ReceptorError in the words of the reference, as the first reply to the submit; no unit remains.
   */
  prepare(parameters: Parameters, origin: Origin): Promise<unknown>;
  createWorker(unit: UnitHandle): Worker;
  /**
   * Asked of a unit that is found on disk: `resume` when it is not as complete as its state says, `release` when it was
   * released and that was not done. Default: neither.
   */
  unfinished?(unit: UnitHandle): 'resume' | 'release' | undefined;
  /** Whether commands about a unit must be signed. Default: as {@link verifiesSignature} says. */
  verifiesUnit?(extraData: unknown): boolean;
  /** ExtraData as replies may show it, without secrets. Default: unchanged. */
  redact?(extraData: unknown): unknown;
  /**
   * Frees what {@link UnitHandle.leave} was told of, however long that takes; called in the background, by each
   * process of the node until it has resolved. What will never be freed is reported in the log, and given up.
   * @param signal the process ends; what is left stays remembered
   */
  free?(leftover: unknown, signal: AbortSignal): Promise<void>;
  /**
   * Called once at start, in the background, when the node's units are known: looks for what units that are gone have
   * left outside, such as pods, and reports it in the log, or removes it where the configuration says so.
   * @param isUnit whether the node has a unit of that ID
   * @throws what kept it from looking
   */
  sweep?(isUnit: (id: string) => boolean, signal: AbortSignal): Promise<void>;
}
