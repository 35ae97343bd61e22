import { FieldReader, jsonMap, jsonString, NumberText } from './json.js';
import { checkName, MessageType, malformed } from './message.js';

/** What a node says about its links, as it is passed on from node to node (reference: mesh, 4.1). */
export interface RoutingUpdate {
  readonly nodeId: string;
  readonly updateId: string;
  readonly epoch: bigint;
  readonly sequence: bigint;
  /** Cost of the link to each neighbour: all of them, no difference to an earlier update. */
  readonly connections: ReadonlyMap<string, number>;
  /** The node that put the message on this link. */
  readonly forwardingNode: string;
  /** 0, or the epoch of another node that seems to use the same ID. */
  readonly suspectedDuplicate: bigint;
}

const PREFIX = String.fromCharCode(MessageType.route);

export function encodeRoutingUpdate(update: RoutingUpdate): Buffer {
  const connections = jsonMap([...update.connections].map(([node, cost]) => [node, String(cost)]));
  return Buffer.from(
    `${PREFIX}{"NodeID":${jsonString(update.nodeId)},"UpdateID":${jsonString(update.updateId)}` +
      `,"UpdateEpoch":${update.epoch},"UpdateSequence":${update.sequence},"Connections":${connections}` +
      `,"ForwardingNode":${jsonString(update.forwardingNode)},"SuspectedDuplicate":${update.suspectedDuplicate}}`,
  );
}

/**
 * @throws MeshError `RECEPTOR_MESH_MESSAGE` when it is no routing update. A cost that is not positive is refused too: it
 * has no meaning, and shortest paths are not defined with it.
 */
export function decodeRoutingUpdate(message: Buffer): RoutingUpdate {
  const text = message.toString('utf8', 1);
  const update = decodeCanonical(text) ?? decodeAny(text);
  checkName(update.nodeId);
  checkName(update.updateId);
  checkName(update.forwardingNode);
  return text.length > SHORT ? detached(update) : update;
}

/** Characters of a message that may be kept as long as a name out of it. */
const SHORT = 1024;

/** The same with names that are no parts of the message's text: kept for long, each would keep all of that. */
function detached(update: RoutingUpdate): RoutingUpdate {
  const copy = (name: string): string => Buffer.from(name).toString();
  return {
    ...update,
    nodeId: copy(update.nodeId),
    updateId: copy(update.updateId),
    forwardingNode: copy(update.forwardingNode),
  };
}

/** What stands between the values of an update that is written in the usual way. */
const [NODE, ID, EPOCH, SEQUENCE, LINKS, FORWARDER, DUPLICATE, END] = [
  `${PREFIX}{"NodeID":"`,
  '","UpdateID":"',
  '","UpdateEpoch":',
  ',"UpdateSequence":',
  ',"Connections":{',
  '},"ForwardingNode":"',
  '","SuspectedDuplicate":',
  '}',
].map((text) => Buffer.from(text)) as [Buffer, Buffer, Buffer, Buffer, Buffer, Buffer, Buffer, Buffer];
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/**
 * What an update begins with, read without making anything of the rest: most updates come over several links, and all but the
 * first copy are only looked at so far. Undefined when it is not written in the usual way; then it has to be decoded. A key
 * that comes twice is not usual: the last one counts, as with Go.
 */
export function peekRoutingUpdate(
  message: Buffer,
): { readonly nodeId: string; readonly updateId: string } | undefined {
  const node = after(message, NODE, 0);
  const nodeEnd = endOfPlain(message, node);
  const id = after(message, ID, nodeEnd);
  const idEnd = endOfPlain(message, id);
  if (!endsAsUsual(message, idEnd)) return undefined;
  return {
    nodeId: message.toString('latin1', node, nodeEnd),
    updateId: message.toString('latin1', id, idEnd),
  };
}

function endsAsUsual(message: Buffer, idEnd: number): boolean {
  const epochEnd = endOfDigits(message, after(message, EPOCH, idEnd));
  const sequenceEnd = endOfDigits(message, after(message, SEQUENCE, epochEnd));
  const links = after(message, LINKS, sequenceEnd);
  const linksEnd = links < 0 ? -1 : message.indexOf(END, links);
  const forwarderEnd = endOfPlain(message, after(message, FORWARDER, linksEnd));
  const duplicateEnd = endOfDigits(message, after(message, DUPLICATE, forwarderEnd));
  return after(message, END, duplicateEnd) === message.length;
}

/** Where these bytes end that start there; -1 when others do, or when `start` is -1 already. */
function after(message: Buffer, bytes: Buffer, start: number): number {
  if (start < 0) return -1;
  for (let i = 0; i < bytes.length; i++) if (message[start + i] !== bytes[i]) return -1;
  return start + bytes.length;
}

/** Where a text ends that is written as it is, without escapes and in ASCII. */
function endOfPlain(message: Buffer, start: number): number {
  if (start < 0) return -1;
  let end = start;
  for (let byte = message[end]; byte !== undefined; byte = message[++end])
    if (byte === QUOTE || byte === BACKSLASH || byte < 0x20 || byte >= 0x7f) break;
  return end;
}

function endOfDigits(message: Buffer, start: number): number {
  if (start < 0) return -1;
  let end = start;
  for (let byte = message[end]; byte !== undefined && byte >= 0x30 && byte <= 0x39; ) byte = message[++end];
  return end;
}

/** The form that nodes write themselves: by far the most frequent message of an idle mesh, so it has a shorter way. */
const CANONICAL =
  /^\{"NodeID":"([^"\\]*)","UpdateID":"([^"\\]*)","UpdateEpoch":(\d{1,18}),"UpdateSequence":(\d{1,18}),"Connections":(\{[^{}]*\}),"ForwardingNode":"([^"\\]*)","SuspectedDuplicate":(\d{1,18})\}$/;
const LEADING_ZERO = /^0\d/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what JSON does not allow in a string
const CONTROL = /[\u0000-\u001f]/;

function decodeCanonical(text: string): RoutingUpdate | undefined {
  const match = CANONICAL.exec(text);
  if (!match || CONTROL.test(text)) return undefined;
  const [, nodeId, updateId, epoch, sequence, connections, forwardingNode, duplicate] = match as unknown as [
    string,
    string,
    string,
    string,
    string,
    string,
    string,
    string,
  ];
  if ([epoch, sequence, duplicate].some((number) => LEADING_ZERO.test(number))) return undefined;
  const costs = knownCosts.get(connections) ?? readCosts(connections);
  return (
    costs && {
      nodeId,
      updateId,
      epoch: BigInt(epoch),
      sequence: BigInt(sequence),
      connections: costs,
      forwardingNode,
      suspectedDuplicate: BigInt(duplicate),
    }
  );
}

/**
 * What was read lately, by its text: nodes say the same of their links again and again, and so it is read once and kept
 * once. Long texts are left out, so that nobody can fill the memory with them.
 */
const knownCosts = new Map<string, ReadonlyMap<string, number>>();
const MAX_KNOWN_COSTS = 4096;
const MAX_KNOWN_LENGTH = 512;

function readCosts(text: string): ReadonlyMap<string, number> | undefined {
  let members: Record<string, unknown>;
  try {
    members = JSON.parse(text) as Record<string, unknown>;
  } catch {
    return undefined;
  }
  const entries = Object.entries(members);
  if (!entries.every((entry): entry is [string, number] => isCost(entry[1]))) return undefined;
  const costs = new Map(entries);
  if (text.length > MAX_KNOWN_LENGTH) return costs;
  if (knownCosts.size >= MAX_KNOWN_COSTS) knownCosts.clear();
  // A copy: the text is a part of the whole message, which it would keep alive.
  return knownCosts.set(Buffer.from(text).toString(), costs).get(text);
}

function isCost(value: unknown): value is number {
  return typeof value === 'number' && value > 0 && Number.isFinite(value);
}

function decodeAny(text: string): RoutingUpdate {
  const fields = new FieldReader(text);
  const connections = new Map<string, number>();
  for (const [node, value] of fields.members('Connections') ?? []) {
    const cost = value instanceof NumberText ? Number(value.text) : undefined;
    if (!isCost(cost)) throw malformed('the cost of a connection is not a positive number');
    connections.set(node, cost);
  }
  return {
    nodeId: fields.string('NodeID'),
    updateId: fields.string('UpdateID'),
    epoch: fields.uint64('UpdateEpoch'),
    sequence: fields.uint64('UpdateSequence'),
    connections,
    forwardingNode: fields.string('ForwardingNode'),
    suspectedDuplicate: fields.uint64('SuspectedDuplicate'),
  };
}
