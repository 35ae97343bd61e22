import { isIPv4, isIPv6 } from 'node:net';

/** An address of IP as whole numbers of 32 bits: one for IPv4, four for IPv6. */
export type IpAddress = readonly number[];

/** The addresses that begin with the same bits. */
export interface IpNetwork {
  /** Its first address. */
  readonly base: IpAddress;
  readonly bits: number;
  readonly mask: IpAddress;
}

/** Reads a network such as `10.0.0.0/8`; bits behind those that count are cleared. Returns undefined when it is none. */
export function parseNetwork(text: string): IpNetwork | undefined {
  const [, name = '', bitsText] = /^([0-9a-fA-F.:]+)\/([0-9]{1,3})$/.exec(text) ?? [];
  const address = parseAddress(name);
  const bits = Number(bitsText);
  if (!address || bits > address.length * 32) return undefined;
  const mask = address.map((_, index) => maskOf(Math.min(32, Math.max(0, bits - 32 * index))));
  return { base: address.map((word, index) => word & (mask[index] ?? 0)), bits, mask };
}

/** The parts of a list with commas. */
export const splitNetworks = (text: string): string[] =>
  text === '' ? [] : text.split(',').map((part) => part.trim());

/** Writes a network in the usual way. */
export function formatNetwork({ base, bits }: IpNetwork): string {
  return `${formatAddress(base)}/${bits}`;
}

/** Writes an address in the usual way. */
export function formatAddress(address: IpAddress): string {
  const bytes = addressBytes(address);
  if (address.length === 1) return bytes.join('.');
  const groups = address.flatMap((word) => [word >>> 16, word & 0xffff]);
  // A URL has the shortest form of an address in it.
  return new URL(`http://[${groups.map((group) => group.toString(16)).join(':')}]`).hostname.slice(1, -1);
}

/** The bytes of an address, in the order of the network. */
export function addressBytes(address: IpAddress): Buffer {
  const bytes = Buffer.alloc(4 * address.length);
  for (const [index, word] of address.entries()) bytes.writeInt32BE(word, 4 * index);
  return bytes;
}

/** Whether an address is one of the network; one of another family is not. */
export function contains({ base, mask }: IpNetwork, address: IpAddress): boolean {
  if (base.length !== address.length) return false;
  for (let i = 0; i < base.length; i++) if (((address[i] ?? 0) & (mask[i] ?? 0)) !== base[i]) return false;
  return true;
}

/** Whether all addresses of a network are addresses of another. */
export function isWithin(inner: IpNetwork, outer: IpNetwork): boolean {
  return inner.bits >= outer.bits && contains(outer, inner.base);
}

const maskOf = (bits: number): number => (bits === 0 ? 0 : -1 << (32 - bits));

function parseAddress(text: string): IpAddress | undefined {
  if (isIPv4(text)) return [Buffer.from(text.split('.').map(Number)).readInt32BE()];
  if (!isIPv6(text)) return undefined;
  const groups = (part: string | undefined): number[] =>
    (part ? part.split(':') : []).flatMap((group) => {
      if (!group.includes('.')) return [Number.parseInt(group, 16)];
      const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number);
      return [(a << 8) | b, (c << 8) | d];
    });
  const [before, after] = text.split('::');
  const [head, tail] = [groups(before), groups(after)];
  const all = [...head, ...Array<number>(8 - head.length - tail.length).fill(0), ...tail];
  return [0, 2, 4, 6].map((index) => ((all[index] ?? 0) << 16) | (all[index + 1] ?? 0));
}
