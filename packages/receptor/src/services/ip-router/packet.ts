import type { IpAddress } from '../../ip-network.js';

/** Where a packet of IP comes from and goes to. */
export interface IpHeader {
  readonly source: IpAddress;
  readonly destination: IpAddress;
}

const V4_HEADER = 20;
const V6_HEADER = 40;

/** Reads the header of a packet; undefined when it is none of IPv4 or IPv6, or is cut off. */
export function readIpHeader(packet: Buffer): IpHeader | undefined {
  switch ((packet[0] ?? 0) >> 4) {
    case 4:
      return readV4(packet);
    case 6:
      return readV6(packet);
    default:
      return undefined;
  }
}

function readV4(packet: Buffer): IpHeader | undefined {
  if (packet.length < V4_HEADER) return undefined;
  const header = 4 * (packet.readUInt8(0) & 0xf);
  const total = packet.readUInt16BE(2);
  if (header < V4_HEADER || header > total || total > packet.length) return undefined;
  return { source: [packet.readInt32BE(12)], destination: [packet.readInt32BE(16)] };
}

function readV6(packet: Buffer): IpHeader | undefined {
  if (packet.length < V6_HEADER || V6_HEADER + packet.readUInt16BE(4) > packet.length) return undefined;
  const address = (offset: number) => [0, 4, 8, 12].map((word) => packet.readInt32BE(offset + word));
  return { source: address(8), destination: address(24) };
}
