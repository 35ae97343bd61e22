import { FieldReader, jsonString } from './json.js';

/** Why a message could not be delivered (reference: mesh, 3.5). */
export const Problem = {
  serviceUnknown: 'service unknown',
  expired: 'message expired',
  blocked: 'blocked by firewall',
} as const;

/** What comes back when a message could not be delivered; the first four fields describe that message. */
export interface Unreachable {
  readonly fromNode: string;
  readonly toNode: string;
  readonly fromService: string;
  readonly toService: string;
  /** One of {@link Problem}, or what another implementation says. */
  readonly problem: string;
}

export function encodeUnreachable(unreachable: Unreachable): Buffer {
  return Buffer.from(
    `{"FromNode":${jsonString(unreachable.fromNode)},"ToNode":${jsonString(unreachable.toNode)}` +
      `,"FromService":${jsonString(unreachable.fromService)},"ToService":${jsonString(unreachable.toService)}` +
      `,"Problem":${jsonString(unreachable.problem)}}`,
  );
}

/** @throws MeshError `RECEPTOR_MESH_MESSAGE` */
export function decodeUnreachable(payload: Buffer): Unreachable {
  const fields = new FieldReader(payload.toString());
  return {
    fromNode: fields.string('FromNode'),
    toNode: fields.string('ToNode'),
    fromService: fields.string('FromService'),
    toService: fields.string('ToService'),
    problem: fields.string('Problem'),
  };
}
