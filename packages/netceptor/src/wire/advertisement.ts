import { FieldReader, jsonMap, jsonString } from './json.js';
import { checkName, MessageType, malformed } from './message.js';
import { formatTimestamp, NO_TIME, parseTimestamp } from './timestamp.js';

/** How a service is spoken to: packets, a stream, or a stream for which TLS was configured. */
export const ConnectionType = { datagram: 0, stream: 1, streamTls: 2 } as const;

/** A type of work that a control service offers. */
export interface WorkCommand {
  readonly workType: string;
  /** Whether submits of it have to be signed. */
  readonly secure: boolean;
}

/** What a node says about one of its services (reference: mesh, 4.6). */
export interface Advertisement {
  readonly nodeId: string;
  readonly service: string;
  /** Nanoseconds since 1970; of two advertisements for one service the later counts. */
  readonly time: bigint;
  readonly connectionType: number;
  readonly tags: ReadonlyMap<string, string> | null;
  readonly workCommands: readonly WorkCommand[] | null;
  /** The service is no more. */
  readonly cancel: boolean;
}

const PREFIX = String.fromCharCode(MessageType.advertisement);

export function encodeAdvertisement(ad: Advertisement): Buffer {
  const tags = ad.tags ? jsonMap([...ad.tags].map(([key, value]) => [key, jsonString(value)])) : 'null';
  const work = ad.workCommands
    ? `[${ad.workCommands.map((w) => `{"WorkType":${jsonString(w.workType)},"Secure":${w.secure}}`).join(',')}]`
    : 'null';
  return Buffer.from(
    `${PREFIX}{"NodeID":${jsonString(ad.nodeId)},"Service":${jsonString(ad.service)}` +
      `,"Time":"${formatTimestamp(ad.time)}","ConnType":${ad.connectionType},"Tags":${tags}` +
      `,"WorkCommands":${work},"Cancel":${ad.cancel}}`,
  );
}

/**
 * @throws MeshError `RECEPTOR_MESH_MESSAGE` when it is no advertisement. One that names no node or no service is refused
 * too: it tells nobody anything, and one without any field ends a Go node that it is passed on to.
 */
export function decodeAdvertisement(message: Buffer): Advertisement {
  const fields = new FieldReader(message.toString('utf8', 1));
  const nodeId = checkName(fields.string('NodeID'));
  const service = checkName(fields.string('Service'));
  if (nodeId === '' || service === '') throw malformed('an advertisement names no node or no service');
  return {
    nodeId,
    service,
    time: fields.has('Time') ? parseTimestamp(fields.string('Time')) : NO_TIME,
    connectionType: fields.byte('ConnType'),
    tags: readTags(fields),
    workCommands: readWorkCommands(fields),
    cancel: fields.boolean('Cancel'),
  };
}

function readTags(fields: FieldReader): Map<string, string> | null {
  const members = fields.members('Tags');
  if (!members) return null;
  return new Map(
    members.map(([key, value]) => {
      if (value !== null && typeof value !== 'string') throw malformed(`tag ${key} is not a string`);
      return [key, value ?? ''];
    }),
  );
}

function readWorkCommands(fields: FieldReader): WorkCommand[] | null {
  const list = fields.objects('WorkCommands');
  return list?.map((item) => ({ workType: item.string('WorkType'), secure: item.boolean('Secure') })) ?? null;
}
