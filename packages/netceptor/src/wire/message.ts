import { MeshError } from '../errors.js';

/** The first byte of every mesh message (reference: mesh, 2.1). */
export const MessageType = { data: 0, route: 1, advertisement: 2, reject: 3 } as const;

/** The message that ends a session. Its body means nothing; it is what Go nodes send. */
export const REJECT_MESSAGE: Buffer = Buffer.from('\u0003[]', 'latin1');

/** The largest message of a stream-like backend: what a 16-bit length can say. */
export const MAX_MESSAGE = 65_535;

/** The longest name of a node, of its service or of an update that is taken from a peer, in characters. */
const MAX_NAME = 1024;

/** A name, unless it is longer than any that is given in good faith: names are kept in many places. */
export function checkName(name: string): string {
  if (name.length > MAX_NAME) throw malformed(`a name of ${name.length} characters`);
  return name;
}

/** The error for bytes that are not what they should be. */
export function malformed(message: string, cause?: unknown): MeshError {
  return new MeshError('RECEPTOR_MESH_MESSAGE', message, cause === undefined ? undefined : { cause });
}
