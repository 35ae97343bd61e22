/**
 * HighwayHash-64 with a key of zeros, by which data messages name nodes (reference: mesh, 3.2).
 * Lanes are unsigned 64-bit numbers; BigUint64Array wraps them as the algorithm wants.
 */
const INIT0 = [0xdbe6d5d5fe4cce2fn, 0xa4093822299f31d0n, 0x13198a2e03707344n, 0x243f6a8885a308d3n];
const INIT1 = [0x3bd39e10cb0ef593n, 0xc0acf169b5f18a8cn, 0xbe5466cf34e90c6cn, 0x452821e638d01377n];
const LOW = 0xffffffffn;
const BLOCK = 32;

type Lanes = BigUint64Array;
interface State {
  readonly v0: Lanes;
  readonly v1: Lanes;
  readonly mul0: Lanes;
  readonly mul1: Lanes;
}

const at = (lanes: Lanes, i: number): bigint => lanes[i] ?? 0n;
const swapHalves = (x: bigint): bigint => (x >> 32n) | ((x & LOW) << 32n);

/** Mixes two lanes of one half into two of the other. */
function zipperMerge(from: Lanes, to: Lanes, even: number): void {
  const low = at(from, even);
  const high = at(from, even + 1);
  to[even] =
    at(to, even) +
    ((((low & 0xff000000n) | (high & 0xff00000000n)) >> 24n) |
      (((low & 0xff0000000000n) | (high & 0xff000000000000n)) >> 16n) |
      (low & 0xff0000n) |
      ((low & 0xff00n) << 32n) |
      ((high & 0xff00000000000000n) >> 8n) |
      (low << 56n));
  to[even + 1] =
    at(to, even + 1) +
    ((((high & 0xff000000n) | (low & 0xff00000000n)) >> 24n) |
      (high & 0xff0000n) |
      ((high & 0xff0000000000n) >> 16n) |
      ((high & 0xff00n) << 24n) |
      ((low & 0xff000000000000n) >> 8n) |
      ((high & 0xffn) << 48n) |
      (low & 0xff00000000000000n));
}

function update({ v0, v1, mul0, mul1 }: State, block: Lanes): void {
  for (let i = 0; i < 4; i++) {
    v1[i] = at(v1, i) + at(mul0, i) + at(block, i);
    mul0[i] = at(mul0, i) ^ ((at(v1, i) & LOW) * (at(v0, i) >> 32n));
    v0[i] = at(v0, i) + at(mul1, i);
    mul1[i] = at(mul1, i) ^ ((at(v0, i) & LOW) * (at(v1, i) >> 32n));
  }
  zipperMerge(v1, v0, 0);
  zipperMerge(v1, v0, 2);
  zipperMerge(v0, v1, 0);
  zipperMerge(v0, v1, 2);
}

function lanesOf(block: Buffer): Lanes {
  return BigUint64Array.from({ length: 4 }, (_, i) => block.readBigUInt64LE(8 * i));
}

function updateRemainder(state: State, rest: Buffer): void {
  const size = rest.length;
  const rotate = (half: bigint) => ((half << BigInt(size)) | (half >> BigInt(32 - size))) & LOW;
  for (let i = 0; i < 4; i++) {
    state.v0[i] = at(state.v0, i) + ((BigInt(size) << 32n) + BigInt(size));
    const lane = at(state.v1, i);
    state.v1[i] = (rotate(lane >> 32n) << 32n) | rotate(lane & LOW);
  }
  const block = Buffer.alloc(BLOCK);
  const whole = size & ~3;
  rest.copy(block, 0, 0, whole);
  if (size & 16) {
    rest.copy(block, 28, size - 4);
  } else if (size & 3) {
    const tail = rest.subarray(whole);
    block[16] = tail.readUInt8(0);
    block[17] = tail.readUInt8(tail.length >> 1);
    block[18] = tail.readUInt8(tail.length - 1);
  }
  update(state, lanesOf(block));
}

/** What was hashed already: a node of the mesh is known under a few names only, and a process may have many nodes. */
const known = new Map<string, bigint>();
const MAX_KNOWN = 10_000;
const MAX_KNOWN_LENGTH = 256;

/** The hash of a node ID. */
export function nameHash(name: string): bigint {
  const before = known.get(name);
  if (before !== undefined) return before;
  const hash = computeHash(name);
  if (name.length <= MAX_KNOWN_LENGTH) {
    if (known.size >= MAX_KNOWN) known.clear();
    known.set(name, hash);
  }
  return hash;
}

function computeHash(name: string): bigint {
  const bytes = Buffer.from(name);
  const mul0 = BigUint64Array.from(INIT0);
  const mul1 = BigUint64Array.from(INIT1);
  const state: State = { mul0, mul1, v0: mul0.slice(), v1: mul1.slice() };
  const whole = bytes.length - (bytes.length % BLOCK);
  for (let start = 0; start < whole; start += BLOCK)
    update(state, lanesOf(bytes.subarray(start, start + BLOCK)));
  if (whole < bytes.length) updateRemainder(state, bytes.subarray(whole));
  for (let round = 0; round < 4; round++)
    update(state, BigUint64Array.of(...[2, 3, 0, 1].map((i) => swapHalves(at(state.v0, i)))));
  return BigInt.asUintN(64, at(state.v0, 0) + at(state.v1, 0) + at(mul0, 0) + at(mul1, 0));
}
