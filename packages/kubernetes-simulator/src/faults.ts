import type { Refusal } from './status.js';

/** What a request asks of the API. */
export type Operation =
  | 'version'
  | 'create'
  | 'get'
  | 'list'
  | 'watch'
  | 'delete'
  | 'log'
  | 'attach'
  | 'events'
  | 'namespaces'
  | 'other';

/** A request as it was received; kept in `requests` for assertions. */
export interface RecordedRequest {
  /** Milliseconds since the simulator was started. */
  at: number;
  operation: Operation;
  method: string;
  path: string;
  query: Readonly<Record<string, string>>;
  namespace: string;
  /** The pod's name; empty where the path has none. */
  name: string;
  /** Who it was, as RBAC calls them; empty if that is unknown. */
  user: string;
  /** HTTP status of the answer, 101 for an attach; undefined while there is none. */
  status?: number;
}

/** What goes wrong with a request. Several may be combined; they happen in this order. */
export interface Fault {
  /** Waits so many milliseconds first. */
  delayMs?: number;
  /** Never answers, and keeps the connection open. */
  silent?: boolean;
  /** Closes the connection without an answer. */
  hangUp?: boolean;
  /** Answers with this refusal instead. Make one with `refuse`. */
  refuse?: Refusal;
}

/** What goes wrong with a log stream. */
export interface LogFault extends Fault {
  /** Cuts the answer after so many bytes of its body, timestamps included. */
  cutAfter?: number;
  /** How it is cut: the connection breaks (default), or the answer ends as if it were complete. */
  cutBy?: 'reset' | 'end';
  /** After so many bytes nothing more comes, and the connection stays open. */
  silentAfter?: number;
  /** Sends the body in pieces of at most so many bytes. */
  pieceBytes?: number;
}

/** What goes wrong with an attach. Bytes of output are those of stdout and stderr together. */
export interface AttachFault extends Fault {
  /** The server is older: it speaks v4, in which the end of stdin cannot be said. */
  old?: boolean;
  /** Is accepted, and never leads to the container: it ends with a Status that says so. */
  unreachable?: boolean;
  /** Accepts at once, but takes part in the container's output only after so many milliseconds. */
  beginAfterMs?: number;
  /** Cuts it after so many bytes of output. */
  cutAfter?: number;
  /** Cuts it after so many bytes of stdin have been passed on. */
  cutAfterStdin?: number;
  /**
   * How it is cut: the connection breaks (default); it ends with Status Success though the container goes on; it ends
   * with Status Failure; it is closed without a Status.
   */
  cutBy?: 'reset' | 'success' | 'failure' | 'close';
  /** After so many bytes of output nothing more is sent, and the connection stays open. */
  silentAfter?: number;
  /** Resets the connection directly behind the Status of the container's end, as an API server does to one that still sends. */
  resetAtEnd?: boolean;
  /** Loses the output behind so many bytes, and ends with Status Success when the container ends. */
  shortAfter?: number;
}

/** What goes wrong with a watch. */
export interface WatchFault extends Fault {
  /** After so many events nothing more comes, and the connection stays open. */
  silentAfter?: number;
  /** After so many events an ERROR event says 410 Gone, and the watch ends. */
  goneAfter?: number;
  /** After so many events the watch ends. */
  cutAfter?: number;
  /** How it ends: the connection breaks, or the answer ends as a watch's does (default). */
  cutBy?: 'reset' | 'end';
}

/** The faults of each operation. */
export interface FaultOf extends Record<Operation | '*', Fault> {
  log: LogFault;
  attach: AttachFault;
  watch: WatchFault;
}

/** All fields a fault can have. */
export type AnyFault = Omit<LogFault & AttachFault & WatchFault, 'cutBy'> & {
  cutBy?: 'reset' | 'end' | 'success' | 'failure' | 'close';
};

/** Which requests a fault is for. */
export interface FaultScope {
  /** Only those about this pod. */
  pod?: string;
  /** Only so many of them; then it is over. */
  times?: number;
}

interface Rule {
  operation: Operation | '*';
  scope: FaultScope;
  left: number;
  next: (request: RecordedRequest) => AnyFault | undefined;
}

/** The faults that are in force. With several for one request, the first that was added is taken. */
export class Faults {
  #rules: Rule[] = [];

  /**
   * Adds a fault for an operation (`*` for all). Given a list, each request takes the next one, `undefined` for
   * none; given a function, it is asked at each request.
   * @returns a function that takes the fault back
   */
  add<O extends Operation | '*'>(
    operation: O,
    fault:
      | FaultOf[O]
      | readonly (FaultOf[O] | undefined)[]
      | ((request: RecordedRequest) => FaultOf[O] | undefined),
    scope: FaultScope = {},
  ): () => void {
    const list = Array.isArray(fault) ? [...(fault as (AnyFault | undefined)[])] : undefined;
    const next =
      typeof fault === 'function'
        ? (fault as Rule['next'])
        : list
          ? () => list.shift()
          : () => fault as AnyFault;
    const left = scope.times ?? list?.length ?? Number.POSITIVE_INFINITY;
    const rule: Rule = { operation, scope, left, next };
    this.#rules.push(rule);
    return () => {
      this.#rules = this.#rules.filter((other) => other !== rule);
    };
  }

  /** Takes back all faults. */
  clear(): void {
    this.#rules = [];
  }

  /** The fault for a request that has just come. */
  take(request: RecordedRequest): AnyFault {
    for (const rule of this.#rules) {
      if (rule.operation !== '*' && rule.operation !== request.operation) continue;
      if (rule.scope.pod !== undefined && rule.scope.pod !== request.name) continue;
      if (rule.left <= 0) continue;
      rule.left -= 1;
      const fault = rule.next(request);
      if (fault) return fault;
    }
    return {};
  }
}
