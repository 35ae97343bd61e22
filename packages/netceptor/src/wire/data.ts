import { MeshError } from '../errors.js';
import { MessageType, malformed } from './message.js';

/** The bytes of a data message before its payload (reference: mesh, 3.1). */
export const DATA_HEADER = 36;
/** The longest name of a service, in bytes. */
export const SERVICE_NAME_LENGTH = 8;

/** Where the fields of a data message are; forwarding looks at these bytes and at nothing else. */
export const DataOffset = { hops: 1, fromNode: 4, toNode: 12, fromService: 20, toService: 28 } as const;

/** A data message, decoded. */
export interface DataMessage {
  /** How many links it may still go over. */
  readonly hops: number;
  readonly fromNode: bigint;
  readonly toNode: bigint;
  readonly fromService: string;
  readonly toService: string;
  readonly payload: Uint8Array;
}

/**
 * Writes a service name into its 8 bytes of a message.
 * @throws MeshError `RECEPTOR_MESH_SERVICE_NAME` when it is longer
 */
export function writeServiceName(message: Buffer, offset: number, name: string): void {
  if (Buffer.byteLength(name) > SERVICE_NAME_LENGTH)
    throw new MeshError('RECEPTOR_MESH_SERVICE_NAME', `service name ${name} too long`);
  message.fill(0, offset, offset + SERVICE_NAME_LENGTH);
  message.write(name, offset);
}

/** A service name in its 8 bytes. @throws MeshError `RECEPTOR_MESH_SERVICE_NAME` when it is longer */
export function encodeServiceName(name: string): Buffer {
  const bytes = Buffer.alloc(SERVICE_NAME_LENGTH);
  writeServiceName(bytes, 0, name);
  return bytes;
}

/** Reads a service name; zeros at its end are padding, zeros within are not. */
export function decodeServiceName(message: Buffer, offset: number): string {
  let end = offset + SERVICE_NAME_LENGTH;
  while (end > offset && message[end - 1] === 0) end--;
  return message.toString('utf8', offset, end);
}

/** @throws MeshError `RECEPTOR_MESH_SERVICE_NAME` when a service name is longer than 8 bytes */
export function encodeData(data: DataMessage): Buffer {
  const message = Buffer.allocUnsafe(DATA_HEADER + data.payload.length);
  message.writeUInt32BE(MessageType.data);
  message[DataOffset.hops] = data.hops;
  message.writeBigUInt64BE(data.fromNode, DataOffset.fromNode);
  message.writeBigUInt64BE(data.toNode, DataOffset.toNode);
  writeServiceName(message, DataOffset.fromService, data.fromService);
  writeServiceName(message, DataOffset.toService, data.toService);
  message.set(data.payload, DATA_HEADER);
  return message;
}

/** @throws MeshError `RECEPTOR_MESH_MESSAGE` when it is no data message or shorter than its header */
export function decodeData(message: Buffer): DataMessage {
  if (message.length < DATA_HEADER || message[0] !== MessageType.data)
    throw malformed('Error translating data to message struct: data too short to be a valid message');
  return {
    hops: message.readUInt8(DataOffset.hops),
    fromNode: message.readBigUInt64BE(DataOffset.fromNode),
    toNode: message.readBigUInt64BE(DataOffset.toNode),
    fromService: decodeServiceName(message, DataOffset.fromService),
    toService: decodeServiceName(message, DataOffset.toService),
    payload: message.subarray(DATA_HEADER),
  };
}
