import { addressBytes, type IpAddress } from '../../../src/ip-network.js';

/** A packet of IP, of the version that its addresses are of. */
export function ipPacket(source: IpAddress, destination: IpAddress, payload: Uint8Array): Buffer {
  const header = source.length === 1 ? v4(payload.length) : v6(payload.length);
  return Buffer.concat([header, addressBytes(source), addressBytes(destination), payload]);
}

function v4(length: number): Buffer {
  const header = Buffer.alloc(12);
  header[0] = 0x45;
  header.writeUInt16BE(20 + length, 2);
  return header;
}

function v6(length: number): Buffer {
  const header = Buffer.alloc(8);
  header[0] = 0x60;
  header.writeUInt16BE(length, 4);
  return header;
}
