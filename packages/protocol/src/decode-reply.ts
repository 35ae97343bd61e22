import type {
  Command,
  ConnectCommand,
  PingCommand,
  ReloadCommand,
  StatusCommand,
  TracerouteCommand,
  WorkEndCommand,
  WorkFollowCommand,
  WorkListCommand,
  WorkResultsCommand,
  WorkStatusCommand,
  WorkSubmitCommand,
} from './commands.js';
import { ReceptorError } from './errors.js';
import type {
  CancelReply,
  PingReply,
  ReleaseReply,
  ReloadReply,
  StatusReply,
  SubmitReply,
  TracerouteReply,
  WorkListReply,
} from './replies.js';
import { errorFromReply, isErrorLine } from './reply-error.js';
import type { UnitReport } from './unit.js';

/** A command that is answered by JSON, and not by a connection or a unit's output. */
export type AnsweredCommand = Exclude<Command, ConnectCommand | WorkResultsCommand | WorkFollowCommand>;

/** The reply to a command; to a submit it is the last one, after the payload. */
export type ReplyTo<C extends AnsweredCommand> = C extends StatusCommand
  ? Partial<StatusReply>
  : C extends PingCommand
    ? PingReply
    : C extends TracerouteCommand
      ? TracerouteReply
      : C extends ReloadCommand
        ? ReloadReply
        : C extends WorkSubmitCommand
          ? SubmitReply
          : C extends WorkListCommand
            ? WorkListReply
            : C extends WorkStatusCommand
              ? UnitReport
              : C extends WorkEndCommand & { subcommand: 'cancel' }
                ? CancelReply
                : C extends WorkEndCommand
                  ? ReleaseReply
                  : never;

/** Says what is wrong with a value, beginning with the path to it; nothing if it is right. */
type Check = (value: unknown) => string | undefined;

const is =
  (kind: 'string' | 'number' | 'boolean'): Check =>
  (value) =>
    typeof value === kind ? undefined : ` is no ${kind}`;
const [text, number, flag] = [is('string'), is('number'), is('boolean')];

const exactly =
  (wanted: unknown): Check =>
  (value) =>
    value === wanted ? undefined : ` is not ${wanted}`;

const orNull =
  (check: Check): Check =>
  (value) =>
    value === null ? undefined : check(value);

const either =
  (...checks: readonly Check[]): Check =>
  (value) => {
    const wrongs = checks.map((check) => check(value));
    return wrongs.includes(undefined) ? undefined : wrongs.at(-1);
  };

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function firstWrong(entries: Iterable<readonly [string, unknown]>, check: Check): string | undefined {
  for (const [key, item] of entries) {
    const wrong = check(item);
    if (wrong !== undefined) return key + wrong;
  }
  return undefined;
}

const listOf =
  (check: Check): Check =>
  (value) =>
    Array.isArray(value)
      ? firstWrong(
          value.map((item, index) => [`[${index}]`, item] as const),
          check,
        )
      : ' is no list';

const mapOf =
  (check: Check): Check =>
  (value) =>
    isObject(value)
      ? firstWrong(
          Object.entries(value).map(([key, item]) => [`.${key}`, item] as const),
          check,
        )
      : ' is no object';

/** Members that must be there, and those that may; others are left alone, for a daemon may add some. */
const members =
  (required: Readonly<Record<string, Check>>, optional: Readonly<Record<string, Check>> = {}): Check =>
  (value) => {
    if (!isObject(value)) return ' is no object';
    for (const [key, check] of Object.entries({ ...required, ...optional })) {
      const wrong = key in value || key in required ? check(value[key]) : undefined;
      if (wrong !== undefined) return `.${key}${wrong}`;
    }
    return undefined;
  };

const advertisement = members({
  NodeID: text,
  Service: text,
  Time: text,
  ConnType: number,
  Tags: orNull(mapOf(text)),
  WorkCommands: orNull(listOf(members({ WorkType: text, Secure: flag }))),
});
const unit = members({ Detail: text, State: number, StateName: text, StdoutSize: number, WorkType: text });
const release = either(members({ 'release pending': text }), members({ released: text }));

const CHECKS: Readonly<Record<string, Check>> = {
  status: members(
    {},
    {
      Advertisements: orNull(listOf(advertisement)),
      Connections: orNull(listOf(members({ NodeID: text, Cost: number }))),
      KnownConnectionCosts: mapOf(mapOf(number)),
      NodeID: text,
      RoutingTable: mapOf(text),
      SystemCPUCount: number,
      SystemMemoryMiB: number,
      Version: text,
    },
  ),
  ping: either(
    members({ Success: exactly(false), Error: text }),
    members({ Success: exactly(true), From: text, Time: number, TimeStr: text }),
  ),
  traceroute: mapOf(members({ From: text, Time: number, TimeStr: text }, { Error: text })),
  reload: either(members({ Success: exactly(false), Error: text }), members({ Success: exactly(true) })),
  submit: members({ result: text, unitid: text }),
  list: mapOf(unit),
  'work status': unit,
  cancel: either(members({ 'cancel pending': text }), members({ cancelled: text })),
  release,
  'force-release': release,
};

function checkOf(command: AnsweredCommand): Check {
  const { command: name } = command;
  const key = name !== 'work' ? name : command.subcommand === 'status' ? 'work status' : command.subcommand;
  return CHECKS[key] ?? (() => ' is the reply to no command');
}

/** The error of a line that the protocol does not have at this point. */
export function unexpectedReply(line: string, why = ''): ReceptorError {
  const shown = line.length > 200 ? `${line.slice(0, 200)}…` : line;
  return new ReceptorError(
    'RECEPTOR_PROTOCOL',
    `unexpected reply of the control service${why && ` (${why})`}: ${shown}`,
  );
}

/**
 * Reads the line that answers a command (reference: control, 2 to 8). Members that are not known are kept.
 * @param line with or without its newline.
 * @throws ReceptorError for an error line what {@link errorFromReply} makes of it; `RECEPTOR_PROTOCOL` for a line that
 *   is not the reply to this command.
 */
export function decodeReply<C extends AnsweredCommand>(command: C, line: string): ReplyTo<C> {
  if (isErrorLine(line)) throw errorFromReply(line);
  let reply: unknown;
  try {
    reply = JSON.parse(line);
  } catch {
    throw unexpectedReply(line, 'it is not JSON');
  }
  const wrong = checkOf(command)(reply);
  if (wrong !== undefined) throw unexpectedReply(line, `it${wrong}`);
  // The check is the one of this command's reply; the compiler cannot follow the table.
  return reply as ReplyTo<C>;
}
