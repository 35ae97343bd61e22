/** Bounds on what clients of a control service can make it hold. */
export interface ControlLimits {
  /** The longest command line, in bytes. A submit carries kubeconfig and pod in its line; etcd takes 1.5 MiB. */
  readonly lineBytes: number;
  /** Bytes of unfinished lines that all clients may have together. */
  readonly allLinesBytes: number;
  /** How long a client may take to finish a line, in milliseconds. Between lines there is no limit. */
  readonly unfinishedLineMs: number;
  /** Clients at once. */
  readonly connections: number;
  /** How long a client that was refused may go on sending before the connection is cut, in milliseconds. */
  readonly lingerMs: number;
}

/** Generous to every honest client; the Go daemon has no limits. */
export const DEFAULT_LIMITS: ControlLimits = {
  lineBytes: 4 * 1024 * 1024,
  allLinesBytes: 64 * 1024 * 1024,
  unfinishedLineMs: 120_000,
  connections: 2000,
  lingerMs: 5_000,
};
