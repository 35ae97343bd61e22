import { createCipheriv, createDecipheriv } from 'node:crypto';
import { expect, it } from 'vitest';
import { QuicEndpoint } from '../src/index.js';
import { certificate } from './support/certificates.js';

/** RFC 9001, appendix A.1: the keys of the first packets for the client's first connection ID. */
const SERVER = {
  key: Buffer.from('cf3a5331653c364c88f0f379b6067e37', 'hex'),
  iv: Buffer.from('0ac1493ca1905853b0bba03e', 'hex'),
  hp: Buffer.from('c206b8d9b9f0f37644430b490eeaa314', 'hex'),
};
const CLIENT = {
  key: Buffer.from('1f369613dd76d5467730efcbe3b1a22d', 'hex'),
  iv: Buffer.from('fa044b2f42a3fd3b46fb255c', 'hex'),
  hp: Buffer.from('9f50449e04a0e810283a1e9933adedd2', 'hex'),
};

/** Appendix A.2: the header and the CRYPTO frame of the client's first packet, before protection. */
const HEADER = Buffer.from('c300000001088394c8f03e5157080000449e00000002', 'hex');
const CRYPTO = Buffer.from(
  '060040f1010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e86804fe3a47f06a2b69484c00000413011302010000c0000000' +
    '10000e00000b6578616d706c652e636f6dff01000100000a00080006001d0017001800100007000504616c706e0005000501000000000033' +
    '00260024001d00209370b2c9caa47fbabaf4559fedba753de171fa71f50f1ce15d43e994ec74d748002b0003020304000d0010000e040305' +
    '0306030203080408050806002d00020101001c00024001003900320408ffffffffffffffff05048000ffff07048000ffff08011001048000' +
    '75300901100f088394c8f03e51570806048000ffff',
  'hex',
);

const mask = (hp: Buffer, sample: Buffer) => createCipheriv('aes-128-ecb', hp, null).update(sample);

const nonce = (iv: Buffer, number: number) => {
  const bytes = Buffer.from(iv);
  bytes.writeUInt32BE((bytes.readUInt32BE(8) ^ number) >>> 0, 8);
  return bytes;
};

it('reads the first packet of RFC 9001, A.2, and protects its answer as A.3 does', async () => {
  const payload = Buffer.concat([CRYPTO, Buffer.alloc(1162 - CRYPTO.length)]);
  const cipher = createCipheriv('aes-128-gcm', CLIENT.key, nonce(CLIENT.iv, 2)).setAAD(HEADER);
  const sealed = Buffer.concat([cipher.update(payload), cipher.final(), cipher.getAuthTag()]);
  const datagram = Buffer.concat([HEADER, sealed]);
  const bits = mask(CLIENT.hp, datagram.subarray(22, 38));
  datagram[0] = (datagram[0] ?? 0) ^ ((bits[0] ?? 0) & 0x0f);
  for (let at = 0; at < 4; at++) datagram[18 + at] = (datagram[18 + at] ?? 0) ^ (bits[1 + at] ?? 0);
  // As the RFC prints it.
  expect(datagram.length).toBe(1200);
  expect(datagram.subarray(0, 32).toString('hex')).toBe(
    'c000000001088394c8f03e5157080000449e7b9aec34d1b1c98dd7689fb8ec11',
  );

  const answers: Buffer[] = [];
  const server = new QuicEndpoint({ send: (sent) => void answers.push(...sent) });
  const failures: string[] = [];
  const identity = await certificate();
  server.listen({
    protocols: ['alpn'],
    identity,
    onConnection: () => {},
    onFailure: (error) => failures.push(error.message),
  });
  server.receive(datagram, 'client');
  await new Promise((resolve) => setImmediate(resolve));
  // It was read to its last byte: the RFC's transport parameters contradict its header, which a server must refuse.
  expect(failures).toEqual(['TRANSPORT_PARAMETER_ERROR (local): CID authentication failure']);

  const answer = answers[0] ?? Buffer.alloc(0);
  // Initial, version 1, no connection ID of the client's, one of the server's, no token.
  expect(answer.readUInt32BE(1)).toBe(1);
  expect(answer[5]).toBe(0);
  const idEnd = 7 + (answer[6] ?? 0);
  expect(answer[idEnd]).toBe(0);
  const length = answer.readUInt16BE(idEnd + 1) & 0x3fff;
  const numberAt = idEnd + 3;
  const unmask = mask(SERVER.hp, answer.subarray(numberAt + 4, numberAt + 20));
  const first = (answer[0] ?? 0) ^ ((unmask[0] ?? 0) & 0x0f);
  const numberLength = (first & 3) + 1;
  const header = Buffer.from(answer.subarray(0, numberAt + numberLength));
  header[0] = first;
  for (let at = 0; at < numberLength; at++)
    header[numberAt + at] = (header[numberAt + at] ?? 0) ^ (unmask[1 + at] ?? 0);
  const number = header.readUIntBE(numberAt, numberLength);
  const body = answer.subarray(numberAt + numberLength, numberAt + length);
  const decipher = createDecipheriv('aes-128-gcm', SERVER.key, nonce(SERVER.iv, number)).setAAD(header);
  decipher.setAuthTag(body.subarray(-16));
  const plain = Buffer.concat([decipher.update(body.subarray(0, -16)), decipher.final()]);
  // CONNECTION_CLOSE with TRANSPORT_PARAMETER_ERROR, for no frame in particular.
  expect(plain.subarray(0, 3).toString('hex')).toBe('1c0800');
  server.close();
});
