import { createCipheriv } from 'node:crypto';

/** RFC 9001, appendix A.1 and A.2: a client's keys for its first connection ID, and the header of its first packet. */
const KEY = Buffer.from('1f369613dd76d5467730efcbe3b1a22d', 'hex');
const NONCE = Buffer.from('fa044b2f42a3fd3b46fb255e', 'hex');
const HEADER_PROTECTION = Buffer.from('9f50449e04a0e810283a1e9933adedd2', 'hex');
const HEADER = Buffer.from('c300000001088394c8f03e5157080000449e00000002', 'hex');
const PAYLOAD = 1162;

/** The frames of that packet: a ClientHello. */
export const CLIENT_HELLO: Buffer = Buffer.from(
  '060040f1010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e86804fe3a47f06a2b69484c00000413011302010000c0000000' +
    '10000e00000b6578616d706c652e636f6dff01000100000a00080006001d0017001800100007000504616c706e0005000501000000000033' +
    '00260024001d00209370b2c9caa47fbabaf4559fedba753de171fa71f50f1ce15d43e994ec74d748002b0003020304000d0010000e040305' +
    '0306030203080408050806002d00020101001c00024001003900320408ffffffffffffffff05048000ffff07048000ffff08011001048000' +
    '75300901100f088394c8f03e51570806048000ffff',
  'hex',
);

/** A first packet with these frames, protected as it has to be: anybody can do that, so an endpoint reads what is in it. */
export function sealInitial(frames: Buffer): Buffer {
  const payload = Buffer.alloc(PAYLOAD);
  frames.copy(payload);
  const cipher = createCipheriv('aes-128-gcm', KEY, NONCE).setAAD(HEADER);
  const datagram = Buffer.concat([HEADER, cipher.update(payload), cipher.final(), cipher.getAuthTag()]);
  const mask = createCipheriv('aes-128-ecb', HEADER_PROTECTION, null).update(datagram.subarray(22, 38));
  datagram[0] = (datagram[0] ?? 0) ^ ((mask[0] ?? 0) & 0x0f);
  for (let at = 0; at < 4; at++) datagram[18 + at] = (datagram[18 + at] ?? 0) ^ (mask[1 + at] ?? 0);
  return datagram;
}
