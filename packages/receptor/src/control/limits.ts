/**
 * Bounds on what clients of a control service can make it hold. Those of the Unix socket, of TCP and of the mesh have
 * each their own share, so that a crowd from afar does not shut out whoever is at the machine.
 */
export interface ControlLimits {
  /** The longest command line, in bytes. A submit carries kubeconfig and pod in its line; etcd takes 1.5 MiB. */
  readonly lineBytes: number;
  /** Bytes of unfinished lines that all clients of a kind may have together. */
  readonly allLinesBytes: number;
  /** How long a client may take from the first byte of a line to its last, in milliseconds; between lines, for ever. */
  readonly unfinishedLineMs: number;
  /** Clients of a kind at once. */
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
