import type { Logger } from '../../../logger.js';
import type { KubernetesApi } from '../api.js';

/** The time, and waiting; a test may bring its own. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Calls back once, after `ms`; returns what takes the call back. */
  after(ms: number, callback: () => void): () => void;
}

/** What {@link collectOutput} needs to know of a pod, and of the unit it collects for. */
export interface OutputOptions {
  readonly api: KubernetesApi;
  readonly pod: { readonly namespace: string; readonly name: string; readonly uid: string };
  /** The container whose output it is. */
  readonly container: string;
  /** The payload for the container's standard input; undefined where it is to be left alone. */
  readonly stdin: { readonly path: string; readonly size: number } | undefined;
  /** The unit's directory. Kept in it, mode 0600: `kube-cursor.json` and `kube-stdin`. */
  readonly directory: string;
  /** Appended to. What an earlier process of the daemon left in it is kept, and gone on from. */
  readonly stdoutPath: string;
  /**
   * Resolves when the container is known to run, or to have run. Until then attach alone is tried, so that it is there
   * before the container's first byte. Default: it runs. Must never reject.
   */
  readonly started?: Promise<void>;
  /**
   * Resolves when the container is known to have ended (its termination was seen, or the pod is gone for good).
   * May be resolved from the start: a container that ended before. Must never reject.
   */
  readonly ended: Promise<void>;
  /** When the container began and ended, as far as is known then: whole seconds of its node's clock, in ms since the epoch. */
  readonly ran?: () => { readonly startedAt?: number; readonly endedAt?: number };
  /** Lets go of everything and rejects with the signal's reason; what was collected until then can be gone on from. */
  readonly signal: AbortSignal;
  readonly log: Logger;
  /** Milliseconds without any answer of the API before it is given up; default one hour. */
  readonly patience?: number;
  readonly clock?: Clock;
  /** Called after the output has grown; `size` is that of stdout, in bytes. */
  readonly onOutput?: (size: number) => void;
  /** Called when the whole payload, and its end, are on the way to the container. */
  readonly onStdinSent?: () => void;
}

/** A place of the output that neither source had. */
export interface Gap {
  /** Offset in stdout at which bytes are missing. */
  readonly at: number;
  /** How many are missing; undefined where that can't be known. */
  readonly bytes: number | undefined;
  readonly reason: string;
}

/**
 * A part of the output that only the log had. Everything is there but, perhaps, carriage returns before line feeds,
 * which most runtimes leave out of the log.
 */
export interface Uncertain {
  /** Offset in stdout. */
  readonly at: number;
  readonly bytes: number;
  /** Before how many line feeds in it a carriage return may be missing. */
  readonly lineFeeds: number;
}

/** What {@link collectOutput} found when everything was read, or nothing more could be. */
export interface OutputReport {
  /** Size of stdout. */
  readonly bytes: number;
  /** Empty where the output is whole. */
  readonly gaps: readonly Gap[];
  /** Parts of an output with signs of carriage returns (or binary) that only the log had. */
  readonly uncertain?: readonly Uncertain[];
  /** Why the output may lack something that nothing shows to be missing: a phrase each, for the unit's `Detail`. */
  readonly doubts?: readonly string[];
  /** What a person may want to know, a sentence each, such as that attach was refused. */
  readonly notes: readonly string[];
  /**
   * `none`: there was no payload. `sent`: all of it, and its end. `unread`: the container ended before it had taken
   * all of it, which is its own affair. `failed`: `error` says why; the container may have read a part.
   */
  readonly stdin: 'none' | 'sent' | 'unread' | 'failed';
  /** Why collecting ended early (payload not delivered, API refused or lost); undefined where it went to the end. */
  readonly error?: Error;
}
