import type { Random } from '../random.js';
import { encodeFrame, FrameDecoder } from '../wire/frame.js';
import { MAX_MESSAGE } from '../wire/message.js';

/** Bytes that have meant trouble to one parser or another. */
const TOKENS = [
  '0', '-1', '1e999', '1e-320', '9223372036854775808', '18446744073709551615', '18446744073709551616', 'null', '{}', '[]', '""',
  '"', '\\', '\\"', '\\u0000', '\\ud800', '{', '[', '}', ']', ',', ':', '__proto__', 'toString', 'localhost', '\0', '\r', '\n', ' ',
  '\u{2028}', '\u{fffd}', '/', '(', '*', '0000-01-01T00:00:00+23:59', '9999-12-31T23:59:59-23:59',
].map((text) => Buffer.from(text)); // biome-ignore format: a list to look through
const MAX_CHANGES = 6;

/** A member of a list that is not empty. */
export function pick<T>(random: Random, list: readonly T[]): T {
  return list[random(list.length)] as T;
}

/** Random bytes. */
function randomBuffer(random: Random, length: number): Buffer {
  return Buffer.from(Array.from({ length }, () => random(256)));
}

type Mutation = (bytes: Buffer, random: Random, corpus: readonly Buffer[]) => Buffer;

/** The bytes with those from `start` to `end` replaced. */
function splice(bytes: Buffer, start: number, end: number, put: Buffer): Buffer {
  return Buffer.concat([bytes.subarray(0, start), put, bytes.subarray(end)]);
}

function range(bytes: Buffer, random: Random): [number, number] {
  const start = random(bytes.length + 1);
  return [start, start + random(Math.min(bytes.length - start, 64) + 1)];
}

const MUTATIONS: readonly Mutation[] = [
  function flipBit(bytes, random) {
    const changed = Buffer.from(bytes);
    const at = random(Math.max(1, changed.length));
    if (at < changed.length) changed[at] = (changed[at] ?? 0) ^ (1 << random(8));
    return changed;
  },
  function setByte(bytes, random) {
    const changed = Buffer.from(bytes);
    const at = random(Math.max(1, changed.length));
    if (at < changed.length) changed[at] = pick(random, [0, 1, 0x7f, 0x80, 0xff, random(256)]);
    return changed;
  },
  function insertToken(bytes, random) {
    const at = random(bytes.length + 1);
    return splice(bytes, at, at, pick(random, TOKENS));
  },
  function replaceByToken(bytes, random) {
    return splice(bytes, ...range(bytes, random), pick(random, TOKENS));
  },
  function insertJunk(bytes, random) {
    const at = random(bytes.length + 1);
    return splice(bytes, at, at, randomBuffer(random, 1 + random(16)));
  },
  function cutOut(bytes, random) {
    return splice(bytes, ...range(bytes, random), Buffer.alloc(0));
  },
  function cutOff(bytes, random) {
    return bytes.subarray(0, random(bytes.length + 1));
  },
  function repeat(bytes, random) {
    const [start, end] = range(bytes, random);
    const times = pick(random, [2, 3, 10, 10_000]);
    const length = Math.min((end - start) * times, MAX_MESSAGE);
    return splice(bytes, start, start, Buffer.alloc(length, bytes.subarray(start, end)));
  },
  function graft(bytes, random, corpus) {
    const other = pick(random, corpus);
    const [start, end] = range(other, random);
    return splice(bytes, ...range(bytes, random), other.subarray(start, end));
  },
];

/** One of the corpus, changed in a few places, or in none. At most as long as a message can be. */
export function mutate(random: Random, corpus: readonly Buffer[]): Buffer {
  let bytes = pick(random, corpus);
  for (let changes = random(MAX_CHANGES + 1); changes > 0; changes--)
    bytes = pick(random, MUTATIONS)(bytes, random, corpus);
  return Buffer.from(bytes.subarray(0, MAX_MESSAGE));
}

/** Several messages as one input, each after its length. */
export function joinMessages(messages: readonly Buffer[]): Buffer {
  return Buffer.concat(messages.filter(({ length }) => length > 0).map((message) => encodeFrame(message)));
}

/** The messages of an input; what is left over is none. */
export function splitMessages(input: Buffer): Buffer[] {
  const messages: Buffer[] = [];
  new FrameDecoder().push(input, (message) => messages.push(Buffer.from(message)));
  return messages;
}

/** A few messages after one another, each changed by itself. */
export function mutateSome(random: Random, corpus: readonly Buffer[], most: number): Buffer {
  return joinMessages(Array.from({ length: 1 + random(most) }, () => mutate(random, corpus)));
}
