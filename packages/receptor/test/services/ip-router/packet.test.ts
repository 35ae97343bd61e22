import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readIpHeader } from '../../../src/services/ip-router/packet.js';
import { ipPacket } from './packets.js';

const word = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const address = (words: number) => fc.array(word, { minLength: words, maxLength: words });
const ends = fc.oneof(fc.tuple(address(1), address(1)), fc.tuple(address(4), address(4)));
const payload = fc.uint8Array({ maxLength: 50 });

describe('the header of a packet of IP', () => {
  it('tells where it comes from and goes to', () => {
    fc.assert(
      fc.property(ends, payload, ([source, destination], data) => {
        expect(readIpHeader(ipPacket(source, destination, data))).toEqual({ source, destination });
      }),
    );
  });

  it('is none when the packet is cut off anywhere', () => {
    fc.assert(
      fc.property(ends, payload, fc.nat(), ([source, destination], data, cut) => {
        const packet = ipPacket(source, destination, data);
        expect(readIpHeader(packet.subarray(0, cut % packet.length))).toBeUndefined();
      }),
    );
  });

  it('is read of a packet of any bytes without harm, and only of version 4 and 6', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        const header = readIpHeader(Buffer.from(bytes));
        const words = new Map([
          [4, 1],
          [6, 4],
        ]).get((bytes[0] ?? 0) >> 4);
        if (header) expect([header.source.length, header.destination.length]).toEqual([words, words]);
      }),
    );
  });

  it.each([
    ['a header that is too short', 0, 0x44],
    ['a header that is longer than the packet', 0, 0x4f],
    ['a length that is more than there is', 3, 255],
    ['a length that is less than the header', 3, 19],
    ['another version', 0, 0x55],
  ])('is none with %s', (_, offset, byte) => {
    const packet = ipPacket([1], [2], Buffer.alloc(4));
    expect(readIpHeader(packet)).toBeDefined();
    packet[offset] = byte;
    expect(readIpHeader(packet)).toBeUndefined();
  });
});
