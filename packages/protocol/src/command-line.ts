import { type Command, RESERVED_PARAMETERS, type WorkCommand, type WorkEndCommand } from './commands.js';
import { ReceptorError } from './errors.js';
import { formatStringVerb, parseIntGo } from './go-text.js';
import { describeJsonError } from './json-error.js';

/** A command line taken apart, before it is known what the command means (reference: control, 1.1). */
export type CommandLine =
  | { form: 'text'; name: string; parameters: string }
  | { form: 'json'; name: string; members: Readonly<Record<string, unknown>> };

/**
 * A line that names no command because it is not the JSON it begins as. The Go daemon answers it with two
 * lines, this error and `Unknown command`, and clients count on it; see `errorReply`.
 */
export class MalformedLineError extends ReceptorError {
  constructor(message: string) {
    super('RECEPTOR_BAD_COMMAND', message);
  }
}

/**
 * Takes a command line apart: the name of the command and its parameters, in either form. It knows no command.
 * @param line with or without its newline; `\r` is dropped wherever it stands.
 * @returns undefined for an empty line, which gets no reply.
 * @throws MalformedLineError (`RECEPTOR_BAD_COMMAND`) for bad JSON, or JSON without a `command` that is a string.
 */
export function splitCommandLine(line: Buffer | string): CommandLine | undefined {
  const text = line.toString().replace(/\n$/, '').replaceAll('\r', '');
  if (text === '') return undefined;
  if (text.startsWith('{')) return splitJson(text);
  const space = text.indexOf(' ');
  if (space < 0) return { form: 'text', name: text.toLowerCase(), parameters: '' };
  return { form: 'text', name: text.slice(0, space).toLowerCase(), parameters: text.slice(space + 1) };
}

/**
 * Reads a command line: {@link splitCommandLine} and {@link interpretCommand} in one.
 * @returns undefined for an empty line, which gets no reply.
 * @throws ReceptorError `RECEPTOR_BAD_COMMAND` or `RECEPTOR_UNKNOWN_COMMAND`, in the words of the reference.
 */
export function parseCommandLine(line: Buffer | string): Command | undefined {
  const parts = splitCommandLine(line);
  return parts === undefined ? undefined : interpretCommand(parts);
}

/**
 * Gives a command line its meaning, where it is one of Receptor's own commands. A daemon with commands of its
 * own looks at `line.name` first.
 * @throws ReceptorError `RECEPTOR_UNKNOWN_COMMAND` for another name, `RECEPTOR_BAD_COMMAND` where the parameters
 *   are not what the command takes; both in the words of the reference (control, 1.1 to 6).
 */
export function interpretCommand(line: CommandLine): Command {
  switch (line.name) {
    case 'status':
      return interpretStatus(line);
    case 'ping':
    case 'traceroute':
      return { command: line.name, target: interpretTarget(line) };
    case 'connect':
      return interpretConnect(line);
    case 'reload':
      return { command: 'reload' };
    case 'work':
      return line.form === 'text' ? interpretWorkText(line.parameters) : interpretWorkJson(line.members);
    default:
      throw new ReceptorError('RECEPTOR_UNKNOWN_COMMAND', 'Unknown command');
  }
}

function splitJson(text: string): CommandLine {
  let members: Record<string, unknown>;
  try {
    members = JSON.parse(text);
  } catch {
    // Without the engine's error as its cause: that one quotes the line, secrets and all.
    throw new MalformedLineError(describeJsonError(text) ?? 'invalid JSON');
  }
  if (!Object.hasOwn(members, 'command')) throw new MalformedLineError('JSON did not contain a command');
  const name = members.command;
  if (typeof name !== 'string') throw new MalformedLineError('command must be a string');
  return { form: 'json', name, members };
}

function bad(message: string): ReceptorError {
  return new ReceptorError('RECEPTOR_BAD_COMMAND', message);
}

/** A member of the line's own; what an object inherits (`toString`) is no member. */
function member(members: Readonly<Record<string, unknown>>, name: string): unknown {
  return Object.hasOwn(members, name) ? members[name] : undefined;
}

function interpretStatus(line: CommandLine): Command {
  if (line.form === 'text') {
    if (line.parameters !== '') throw bad('status command does not take parameters');
    return { command: 'status' };
  }
  const fields = member(line.members, 'requested_fields');
  if (fields === undefined) return { command: 'status' };
  if (!Array.isArray(fields)) throw bad('requested_fields must be a list');
  if (!fields.every((field) => typeof field === 'string'))
    throw bad('each element of requested_fields must be a string');
  return { command: 'status', requestedFields: fields };
}

function interpretTarget(line: CommandLine): string {
  const target = line.form === 'text' ? line.parameters || undefined : member(line.members, 'target');
  if (target === undefined) throw bad(`no ${line.name} target`);
  if (typeof target !== 'string') throw bad(`${line.name} target must be string`);
  return target;
}

function interpretConnect(line: CommandLine): Command {
  if (line.form === 'text') {
    const [node = '', service, tls, ...more] = line.parameters.split(' ');
    if (service === undefined) throw bad('no connect target');
    if (more.length > 0) throw bad('too many parameters');
    return { command: 'connect', node, service, ...(tls && { tls }) };
  }
  const node = member(line.members, 'node');
  if (node === undefined) throw bad('no connect target node');
  if (typeof node !== 'string') throw bad('connect target node must be string');
  const service = member(line.members, 'service');
  if (service === undefined) throw bad('no connect target service');
  if (typeof service !== 'string') throw bad('connect target service must be string');
  const tls = member(line.members, 'tls');
  if (tls !== undefined && typeof tls !== 'string') throw bad('connect tls name must be string');
  return { command: 'connect', node, service, ...(tls && { tls }) };
}

function interpretWorkText(parameters: string): WorkCommand {
  const [first = '', ...words] = parameters.split(' ');
  const subcommand = first.toLowerCase();
  const [unitId, startPos] = words;
  switch (subcommand) {
    case 'submit': {
      const [node, workType, ...rest] = words;
      if (node === undefined || workType === undefined)
        throw bad('work submit requires a target node and work type');
      const params: Record<string, string> = rest.length > 0 ? { params: rest.join(' ') } : {};
      return { command: 'work', subcommand, node, workType, parameters: params };
    }
    case 'list':
      return { command: 'work', subcommand, ...(unitId !== undefined && { unitId }) };
    case 'status':
    case 'cancel':
    case 'release':
    case 'force-release':
      if (unitId === undefined) throw bad(`work ${subcommand} requires a unit ID`);
      if (words.length > 1) throw bad(`work ${subcommand} does not take parameters after the unit ID`);
      return { command: 'work', subcommand, unitId };
    case 'results':
    case 'follow': {
      if (unitId === undefined) throw bad(`work ${subcommand} requires a unit ID`);
      if (words.length > 2) throw bad(`work ${subcommand} only takes a unit ID and optional start position`);
      const position = startPos === undefined ? 0n : parseIntGo(startPos);
      if (position instanceof Error)
        throw bad(`error converting start position to integer: ${position.message}`);
      return { command: 'work', subcommand, unitId, startPos: Number(position) };
    }
    default:
      throw bad('bad command');
  }
}

function interpretWorkJson(members: Readonly<Record<string, unknown>>): WorkCommand {
  const subcommand = requiredString(members, 'subcommand').toLowerCase();
  switch (subcommand) {
    case 'submit':
      return interpretSubmit(members);
    case 'list': {
      const unitId = optionalString(members, 'unitid');
      return { command: 'work', subcommand, ...(unitId !== undefined && { unitId }) };
    }
    case 'status':
      return { command: 'work', subcommand, unitId: requiredString(members, 'unitid') };
    case 'cancel':
    case 'release':
    case 'force-release': {
      const ended: WorkEndCommand = {
        command: 'work',
        subcommand,
        unitId: requiredString(members, 'unitid'),
      };
      return { ...ended, ...signatureOf(members) };
    }
    case 'results':
    case 'follow': {
      const unitId = requiredString(members, 'unitid');
      return {
        command: 'work',
        subcommand,
        unitId,
        startPos: startPosition(members),
        ...signatureOf(members),
      };
    }
    default:
      throw bad('bad command');
  }
}

function interpretSubmit(members: Readonly<Record<string, unknown>>): WorkCommand {
  const entries = Object.entries(members).map(([name, value]): [string, string] => {
    if (typeof value !== 'string') throw bad(`submit parameters must all be strings and ${name} is not`);
    return [name, value];
  });
  const tlsClient = optionalString(members, 'tlsclient');
  const ttl = optionalString(members, 'ttl');
  const idempotencyKey = optionalString(members, 'idempotencykey');
  return {
    command: 'work',
    subcommand: 'submit',
    node: requiredString(members, 'node'),
    workType: requiredString(members, 'worktype'),
    ...(tlsClient && { tlsClient }),
    ...(ttl && { ttl }),
    ...(member(members, 'signwork') === 'true' && { signWork: true }),
    ...signatureOf(members),
    ...(idempotencyKey && { idempotencyKey }),
    ...(member(members, 'thenfollow') === 'true' && { thenFollow: true }),
    parameters: Object.fromEntries(entries.filter(([name]) => !RESERVED_PARAMETERS.has(name))),
  };
}

function requiredString(members: Readonly<Record<string, unknown>>, name: string): string {
  const value = member(members, name);
  if (value === undefined) throw bad(`field ${name} missing`);
  if (typeof value !== 'string') throw bad(`field ${name} must be a string`);
  return value;
}

function optionalString(members: Readonly<Record<string, unknown>>, name: string): string | undefined {
  const value = member(members, name);
  return typeof value === 'string' ? value : undefined;
}

function signatureOf(members: Readonly<Record<string, unknown>>): { signature?: string } {
  const signature = optionalString(members, 'signature');
  return signature ? { signature } : {};
}

/** The Go daemon refuses a numeric string although it tries to read it; here it is accepted. */
function startPosition(members: Readonly<Record<string, unknown>>): number {
  const value = member(members, 'startpos');
  if (value === undefined) throw bad('field startpos missing');
  if (typeof value === 'number' && Number.isFinite(value)) return Math.trunc(value);
  if (typeof value === 'string') {
    const position = parseIntGo(value);
    if (position instanceof Error) throw bad(position.message);
    return Number(position);
  }
  throw bad(`field startpos value ${formatStringVerb(value)} is not convertible to an int`);
}
