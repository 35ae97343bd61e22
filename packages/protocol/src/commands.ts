/** Asks what the node knows of itself and the mesh (reference: control, 2). */
export interface StatusCommand {
  command: 'status';
  /** Names of the wanted members; left out: all. Unknown names are skipped. */
  requestedFields?: readonly string[];
}

/** Sends a packet to a node and waits for the answer (reference: control, 3). */
export interface PingCommand {
  command: 'ping';
  /** A node ID; `localhost` is the node itself. */
  target: string;
}

/** Finds the hops to a node (reference: control, 3). */
export interface TracerouteCommand {
  command: 'traceroute';
  /** A node ID; `localhost` is the node itself. */
  target: string;
}

/** Turns the connection into one with a service of the mesh (reference: control, 4). */
export interface ConnectCommand {
  command: 'connect';
  node: string;
  service: string;
  /** Name of a `tls-client` of the node's configuration. */
  tls?: string;
}

/** Reads the configuration file again (reference: control, 5). */
export interface ReloadCommand {
  command: 'reload';
}

/** Creates a work unit (reference: control, 6 and 7). */
export interface WorkSubmitCommand {
  command: 'work';
  subcommand: 'submit';
  /** Where the work shall run; `localhost` in any case is the node itself. */
  node: string;
  workType: string;
  /** Name of a `tls-client` of the node's configuration, for the way to another node. */
  tlsClient?: string;
  /** How long the work may wait for its start: a Go duration. */
  ttl?: string;
  /** Whether the node shall sign what it sends to another node. */
  signWork?: boolean;
  signature?: string;
  /**
   * A name for this submit that nobody else can guess. Sent again under the same name, also over another connection, it
   * makes no second unit (reference: remote work). A Go daemon takes it for a parameter, and ignores it.
   */
  idempotencyKey?: string;
  /** Whether the reply to a started submit goes on as that of {@link WorkFollowCommand} does after its first line. */
  thenFollow?: boolean;
  /** What the work type is given. A name of {@link RESERVED_PARAMETERS} reads as that member, not as a parameter. */
  parameters: Readonly<Record<string, string>>;
}

/** Asks for all units, or for one (reference: control, 6). */
export interface WorkListCommand {
  command: 'work';
  subcommand: 'list';
  unitId?: string;
}

/** Asks for one unit (reference: control, 6). */
export interface WorkStatusCommand {
  command: 'work';
  subcommand: 'status';
  unitId: string;
}

/** Ends a unit, or removes it (reference: control, 6). */
export interface WorkEndCommand {
  command: 'work';
  subcommand: 'cancel' | 'release' | 'force-release';
  unitId: string;
  signature?: string;
}

/** Asks for a unit's output (reference: control, 8). */
export interface WorkResultsCommand {
  command: 'work';
  subcommand: 'results';
  unitId: string;
  /** Bytes of output to leave out; a server treats a negative number as one past the end. */
  startPos: number;
  signature?: string;
}

/** Asks to be told of everything that happens to a unit, its output included (reference: remote work). */
export interface WorkFollowCommand {
  command: 'work';
  subcommand: 'follow';
  unitId: string;
  /** Bytes of output to leave out. */
  startPos: number;
  signature?: string;
}

/** The commands of `work`. */
export type WorkCommand =
  | WorkSubmitCommand
  | WorkListCommand
  | WorkStatusCommand
  | WorkEndCommand
  | WorkResultsCommand
  | WorkFollowCommand;

/** Every command of the control service (reference: control, 2 to 8). */
export type Command =
  | StatusCommand
  | PingCommand
  | TracerouteCommand
  | ConnectCommand
  | ReloadCommand
  | WorkCommand;

/** Members of a submit that are no parameters of the work type (reference: control, 6). */
export const RESERVED_PARAMETERS: ReadonlySet<string> = new Set([
  'command',
  'subcommand',
  'node',
  'worktype',
  'tlsclient',
  'ttl',
  'signwork',
  'signature',
  'idempotencykey',
  'thenfollow',
]);

/** Whether a text has the form of a unit ID, and so may become part of a path (reference: control, 6). */
export function isUnitId(text: string): boolean {
  return /^[A-Za-z0-9]{1,255}$/.test(text);
}
