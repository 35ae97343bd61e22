import { isIPv6 } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  addressBytes,
  contains,
  formatAddress,
  formatNetwork,
  type IpNetwork,
  isWithin,
  parseNetwork,
  splitNetworks,
} from '../src/ip-network.js';

const network = (text: string): IpNetwork => {
  const found = parseNetwork(text);
  if (!found) throw new Error(`${text} is no network`);
  return found;
};

const v4 = fc
  .tuple(fc.ipV4(), fc.integer({ min: 0, max: 32 }))
  .map(([address, bits]) => `${address}/${bits}`);
const v6 = fc
  .tuple(fc.ipV6(), fc.integer({ min: 0, max: 128 }))
  .map(([address, bits]) => `${address}/${bits}`);
const cidr = fc.oneof(v4, v6);

/** The bits of an address, found in another way. */
const bitsOf = (bytes: Buffer) => [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('');

describe('a network of IP', () => {
  it.each([
    ['10.0.0.5/30', '10.0.0.4/30'],
    ['255.255.255.255/1', '128.0.0.0/1'],
    ['1.2.3.4/0', '0.0.0.0/0'],
    ['192.168.1.1/32', '192.168.1.1/32'],
    ['2001:DB8:0:0:1::5/64', '2001:db8::/64'],
    ['::ffff:1.2.3.4/128', '::ffff:102:304/128'],
    ['::/0', '::/0'],
  ])('%s is %s', (text, written) => {
    expect(formatNetwork(network(text))).toBe(written);
  });

  it.each([
    '',
    '10.0.0.0',
    '10.0.0/8',
    '10.0.0.0/33',
    '10.0.0.0/-1',
    '10.0.0.0/',
    '/8',
    '::/129',
    'abc',
    '1.2.3.4/8/8',
    '::1%lo/64',
    '010.0.0.0/8',
  ])('%j is none', (text) => {
    expect(parseNetwork(text)).toBeUndefined();
  });

  it('is read as what it was written from', () => {
    fc.assert(
      fc.property(cidr, (text) => {
        const read = network(text);
        const written = formatNetwork(read);
        expect(parseNetwork(written)).toEqual(read);
      }),
    );
  });

  it('has bits behind those that count cleared, and those kept', () => {
    fc.assert(
      fc.property(cidr, (text) => {
        const [address = '', bits] = text.split('/');
        const whole = network(`${address}/${isIPv6(address) ? 128 : 32}`).base;
        const count = Number(bits);
        const expected = bitsOf(addressBytes(whole)).slice(0, count);
        const found = bitsOf(addressBytes(network(text).base));
        expect(found).toBe(expected.padEnd(found.length, '0'));
        expect(contains(network(text), whole)).toBe(true);
      }),
    );
  });

  it('contains the addresses that begin as it does, and no others', () => {
    fc.assert(
      fc.property(
        cidr,
        fc.uint8Array({ minLength: 16, maxLength: 16 }),
        fc.nat(128),
        (text, random, same) => {
          const it = network(text);
          const base = addressBytes(it.base);
          // Often the first bits are the same.
          const bits = bitsOf(base).slice(0, same) + bitsOf(Buffer.from(random)).slice(same);
          const bytes = Buffer.from(
            base.map((_, index) => Number.parseInt(bits.slice(8 * index, 8 * index + 8), 2)),
          );
          const address = it.base.map((_, index) => bytes.readInt32BE(4 * index));
          expect(contains(it, address)).toBe(bitsOf(bytes).startsWith(bitsOf(base).slice(0, it.bits)));
        },
      ),
    );
  });

  it('is within another when that is as wide, and contains its first address', () => {
    fc.assert(
      fc.property(v4, fc.nat(32), (text, bits) => {
        const [address = ''] = text.split('/');
        const inner = network(text);
        expect(isWithin(inner, network(`${address}/${bits}`))).toBe(bits <= inner.bits);
      }),
    );
    expect(isWithin(network('10.0.0.0/8'), network('::/0'))).toBe(false);
  });

  it('stands in a list with commas', () => {
    expect(splitNetworks('')).toEqual([]);
    expect(splitNetworks('10.0.0.0/8, ::/0,')).toEqual(['10.0.0.0/8', '::/0', '']);
  });

  it('has addresses that are written in the usual way', () => {
    expect(formatAddress([-1])).toBe('255.255.255.255');
    expect(formatAddress([0, 0, 0, 1])).toBe('::1');
  });
});
