import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MeshError } from '../src/errors.js';
import { type Advertisement, decodeAdvertisement, encodeAdvertisement } from '../src/wire/advertisement.js';
import { decodeData, encodeData } from '../src/wire/data.js';
import { encodeFrame, FrameDecoder } from '../src/wire/frame.js';
import { MAX_MESSAGE, REJECT_MESSAGE } from '../src/wire/message.js';
import { nameHash } from '../src/wire/name-hash.js';
import {
  decodeRoutingUpdate,
  encodeRoutingUpdate,
  peekRoutingUpdate,
  type RoutingUpdate,
} from '../src/wire/routing-update.js';
import { formatTimestamp, NO_TIME, parseTimestamp } from '../src/wire/timestamp.js';
import { decodeUnreachable, encodeUnreachable } from '../src/wire/unreachable.js';
import { type Captured, capturedMessages, readVectors } from './vectors.js';

const captured = capturedMessages();
const ofType = (type: string) => captured.filter((entry) => entry.decoded?.type === type);
const bytes = (entry: Captured) => Buffer.from(entry.hex, 'hex');
const uint64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const nodeId = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 });
const cost = fc.double({ min: 1e-300, noDefaultInfinity: true, noNaN: true });

/** Whatever is thrown at it, a decoder either reads it or throws the typed error. */
function throwsOnlyTyped(decode: (message: Buffer) => unknown, message: Buffer): void {
  try {
    decode(message);
  } catch (error) {
    expect(error).toBeInstanceOf(MeshError);
    expect((error as MeshError).code).toBe('RECEPTOR_MESH_MESSAGE');
  }
}

/** Real messages with a few bytes changed get further into a decoder than noise does. */
const damaged = fc
  .tuple(
    fc.constantFrom(...captured.map(bytes)),
    fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { maxLength: 4 }),
  )
  .map(([message, changes]) => {
    const copy = Buffer.from(message);
    for (const [at, byte] of changes) if (at < copy.length) copy[at] = byte;
    return copy;
  });

describe('the captured vectors', () => {
  it('are all there', () => {
    expect(ofType('route').length).toBeGreaterThan(30);
    expect(ofType('data').length).toBeGreaterThan(10);
    expect(ofType('service-advertisement').length).toBeGreaterThan(5);
  });

  it.each(readVectors('node-name-hashes').entries as { name: string; hash_be_hex: string }[])(
    'hash $name',
    ({ name, hash_be_hex }) => {
      expect(nameHash(name).toString(16).padStart(16, '0')).toBe(hash_be_hex);
    },
  );

  it('of routing updates come out as the same bytes', () => {
    for (const entry of ofType('route'))
      expect(encodeRoutingUpdate(decodeRoutingUpdate(bytes(entry))).toString('hex')).toBe(entry.hex);
  });

  it('of advertisements come out as the same bytes', () => {
    for (const entry of ofType('service-advertisement')) {
      const message = bytes(entry);
      if (!message.includes('"Tags"')) continue;
      expect(encodeAdvertisement(decodeAdvertisement(message)).toString('hex')).toBe(entry.hex);
    }
  });

  it('of data messages are read field by field and come out as the same bytes', () => {
    for (const entry of ofType('data')) {
      const data = decodeData(bytes(entry));
      expect(data.hops).toBe(entry.decoded?.hopsToLive);
      expect(data.fromNode.toString(16).padStart(16, '0')).toBe(entry.decoded?.fromNodeHash);
      expect(data.toNode.toString(16).padStart(16, '0')).toBe(entry.decoded?.toNodeHash);
      expect(data.fromService).toBe(entry.decoded?.fromService);
      expect(data.toService).toBe(entry.decoded?.toService);
      expect(encodeData(data).toString('hex')).toBe(entry.hex);
    }
  });

  it('of unreachables come out as the same text', () => {
    const texts = ofType('data').flatMap((entry) => entry.decoded?.payload_text ?? []);
    expect(texts.length).toBeGreaterThan(2);
    for (const text of texts)
      expect(encodeUnreachable(decodeUnreachable(Buffer.from(text))).toString()).toBe(text);
  });

  it('of the reject is what we send', () => {
    expect(REJECT_MESSAGE.toString('hex')).toBe('035b5d');
  });

  it('of TCP framing comes out as the same bytes', () => {
    const entry = readVectors('backend-framing').entries.find((e) => e.backend === 'tcp') as unknown as {
      hex: string;
      message: Captured;
    };
    expect(encodeFrame(bytes(entry.message)).toString('hex')).toBe(entry.hex);
  });
});

describe('a routing update', () => {
  const update = (fields: string) => decodeRoutingUpdate(Buffer.from(`\u0001${fields}`));

  it('keeps an epoch of 64 bits exactly', () => {
    expect(update('{"NodeID":"a","UpdateEpoch":30123475974990745}').epoch).toBe(30123475974990745n);
    expect(update('{"UpdateEpoch":18446744073709551615}').epoch).toBe(18446744073709551615n);
  });

  it.each(['5.0', '5e0', '-1', '18446744073709551616', '"5"', '05', '+5', '[5]'])(
    'with the epoch %s is refused, as a Go node does',
    (epoch) => {
      expect(() => update(`{"NodeID":"a","UpdateEpoch":${epoch}}`)).toThrow(MeshError);
    },
  );

  it('is read with keys in any case, unknown keys and missing ones', () => {
    expect(
      update(' {"nodeid":"a", "FORWARDINGNODE":"b", "More":[1,{"x":null}], "Connections":null}'),
    ).toEqual({
      nodeId: 'a',
      updateId: '',
      epoch: 0n,
      sequence: 0n,
      connections: new Map(),
      forwardingNode: 'b',
      suspectedDuplicate: 0n,
    });
  });

  it.each(['0', '-1', '1e999', '"1"', 'null', '01'])('with the cost %s is refused', (value) => {
    expect(() => update(`{"NodeID":"a","Connections":{"b":${value}}}`)).toThrow(MeshError);
  });

  it.each(['{5:1}', '[]', 'null', '', '{"NodeID":5}', '{"Connections":[]}', '{"NodeID":"a"'])(
    'that is %s is refused',
    (text) => expect(() => update(text)).toThrow(MeshError),
  );

  it('reads any cost JSON can write', () => {
    expect(update('{"Connections":{"b":1.5e0,"c":0.25}}').connections).toEqual(
      new Map([
        ['b', 1.5],
        ['c', 0.25],
      ]),
    );
  });

  it('survives any round trip', () => {
    fc.assert(
      fc.property(
        fc.record<RoutingUpdate>({
          nodeId,
          updateId: fc.string(),
          epoch: uint64,
          sequence: uint64,
          connections: fc.array(fc.tuple(nodeId, cost)).map((entries) => new Map(entries)),
          forwardingNode: nodeId,
          suspectedDuplicate: uint64,
        }),
        (value) => void expect(decodeRoutingUpdate(encodeRoutingUpdate(value))).toEqual(value),
      ),
    );
  });

  it('that is written in an odd way means the same as in the usual way', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(nodeId, cost)), uint64, (links, epoch) => {
        const canonical = encodeRoutingUpdate({
          nodeId: 'a',
          updateId: 'u',
          epoch,
          sequence: 3n,
          connections: new Map(links),
          forwardingNode: 'f',
          suspectedDuplicate: 0n,
        });
        const odd = Buffer.from(canonical.toString().replace('{"NodeID"', '{ "NODEID"'));
        expect(decodeRoutingUpdate(odd)).toEqual(decodeRoutingUpdate(canonical));
      }),
    );
  });
});

describe('the head of a routing update', () => {
  const update = (fields: string) =>
    Buffer.from(`\u0001{"NodeID":"a","UpdateID":"u1","UpdateEpoch":1,"UpdateSequence":2,${fields}}`);
  const rest = '"ForwardingNode":"b","SuspectedDuplicate":0';

  it('is read of every captured one', () => {
    for (const entry of ofType('route')) {
      const { nodeId, updateId } = decodeRoutingUpdate(bytes(entry));
      expect(peekRoutingUpdate(bytes(entry))).toEqual({ nodeId, updateId });
    }
  });

  it('is either what decoding finds or not read at all', () => {
    const text = fc.string({ unit: 'binary' });
    const written = fc.record({ nodeId: fc.oneof(nodeId, text), updateId: fc.oneof(fc.string(), text) });
    fc.assert(
      fc.property(written, ({ nodeId, updateId }) => {
        const message = encodeRoutingUpdate({
          nodeId,
          updateId,
          epoch: 1n,
          sequence: 1n,
          connections: new Map(),
          forwardingNode: 'f',
          suspectedDuplicate: 0n,
        });
        const head = peekRoutingUpdate(message);
        if (head) expect(head).toEqual({ nodeId, updateId });
        expect(head !== undefined).toBe(
          /^[ -~]*$/.test(nodeId + updateId) && !/["\\<>&]/.test(nodeId + updateId),
        );
      }),
    );
  });

  it('is not read of a part of one', () => {
    const message = encodeRoutingUpdate(decodeRoutingUpdate(bytes(ofType('route')[0] as Captured)));
    for (let length = 0; length < message.length; length++)
      expect(peekRoutingUpdate(message.subarray(0, length))).toBeUndefined();
  });

  it.each([
    ['a key twice, of which the last counts', `"Connections":{},${rest},"UpdateID":"u2"`],
    ['such a key in other letters', `"Connections":{},"updateid":"u2",${rest}`],
    ['a neighbour with a brace in its name', `"Connections":{"}":1},${rest}`],
    ['no end', '"Connections":{"b":1'],
  ])('is not read of one with %s', (_, fields) => {
    expect(peekRoutingUpdate(update(fields))).toBeUndefined();
  });
});

describe('an advertisement', () => {
  const ad = (text: string) => decodeAdvertisement(Buffer.from(`\u0002${text}`));

  it.each(['{}', 'null', '{"Cancel":true}', '{"Unknown":1}', '{"NodeID":"a"}', '{"Service":"a"}'])(
    'that is only %s is refused, because it would end a Go node',
    (text) => expect(() => ad(text)).toThrow(MeshError),
  );

  it('without a time has the earliest of all', () => {
    expect(ad('{"NodeID":"a","Service":"s"}').time).toBe(NO_TIME);
  });

  it.each([
    '"2026-02-30T00:00:00Z"',
    '"2026-11-24"',
    '"2026-11-24T24:00:00Z"',
    '"2026-11-24T01:00:00+99:00"',
    '"0000-01-01T00:00:00+00:01"',
    '"9999-12-31T23:59:59-00:01"',
    '5',
    '"x"',
  ])('with the time %s is refused', (time) =>
    expect(() => ad(`{"NodeID":"a","Service":"s","Time":${time}}`)).toThrow(MeshError),
  );

  it('compares times in different zones as instants', () => {
    expect(parseTimestamp('2026-11-24T06:00:00.5+01:00')).toBe(parseTimestamp('2026-11-24T05:00:00.500Z'));
  });

  it('survives any round trip', () => {
    fc.assert(
      fc.property(
        fc.record<Advertisement>({
          nodeId,
          service: nodeId,
          time: fc.bigInt({ min: 0n, max: 2n ** 62n }),
          connectionType: fc.nat(255),
          tags: fc.option(fc.array(fc.tuple(nodeId, fc.string())).map((entries) => new Map(entries))),
          workCommands: fc.option(fc.array(fc.record({ workType: fc.string(), secure: fc.boolean() }))),
          cancel: fc.boolean(),
        }),
        (value) => void expect(decodeAdvertisement(encodeAdvertisement(value))).toEqual(value),
      ),
    );
  });

  it('keeps nanoseconds', () => {
    fc.assert(
      fc.property(
        fc.bigInt({
          min: parseTimestamp('0000-01-01T00:00:00Z'),
          max: parseTimestamp('9999-12-31T23:59:59.999999999Z'),
        }),
        (time) => void expect(parseTimestamp(formatTimestamp(time))).toBe(time),
      ),
    );
  });
});

describe('a data message', () => {
  const service = fc
    .uint8Array({ maxLength: 8, max: 127 })
    .filter((name) => name.at(-1) !== 0)
    .map((name) => Buffer.from(name).toString());

  it('survives any round trip', () => {
    fc.assert(
      fc.property(
        fc.record({
          hops: fc.nat(255),
          fromNode: uint64,
          toNode: uint64,
          fromService: service,
          toService: service,
          payload: fc.uint8Array().map((payload) => Buffer.from(payload)),
        }),
        (value) => void expect(decodeData(encodeData(value))).toEqual(value),
      ),
    );
  });

  it('cannot be written with a service name of more than 8 bytes', () => {
    const data = { hops: 1, fromNode: 1n, toNode: 2n, payload: Buffer.alloc(0) };
    expect(() => encodeData({ ...data, fromService: 'ninebytes', toService: 'a' })).toThrow(
      'service name ninebytes too long',
    );
  });
});

describe('framing', () => {
  const message = fc.uint8Array({ minLength: 1, maxLength: 600 }).map((m) => Buffer.from(m));

  it('gives back the messages, however the bytes are cut', () => {
    fc.assert(
      fc.property(fc.array(message), fc.array(fc.integer({ min: 1, max: 700 })), (messages, cuts) => {
        const stream = Buffer.concat(messages.map(encodeFrame));
        const decoder = new FrameDecoder();
        const received: Buffer[] = [];
        let offset = 0;
        for (const size of [...cuts, stream.length]) {
          decoder.push(stream.subarray(offset, offset + size), (m) => received.push(Buffer.from(m)));
          offset += size;
        }
        expect(received).toEqual(messages);
      }),
    );
  });

  it('hands out an empty message, whole or cut in half', () => {
    const decoder = new FrameDecoder();
    const lengths: number[] = [];
    for (const chunk of [[0, 0], [0], [0], [1, 0, 7]])
      decoder.push(Buffer.from(chunk), (m) => lengths.push(m.length));
    expect(lengths).toEqual([0, 0, 1]);
  });

  it('refuses what does not fit into a frame', () => {
    expect(() => encodeFrame(Buffer.alloc(0))).toThrow(MeshError);
    expect(() => encodeFrame(Buffer.alloc(MAX_MESSAGE + 1))).toThrow(MeshError);
    expect(encodeFrame(Buffer.alloc(MAX_MESSAGE))).toHaveLength(MAX_MESSAGE + 2);
  });
});

describe('a name that is longer than any in good faith', () => {
  const name = 'x'.repeat(1025);
  it.each(['NodeID', 'UpdateID', 'ForwardingNode'])('is refused as %s of a routing update', (field) => {
    const text = JSON.stringify({
      NodeID: 'a',
      UpdateID: 'u',
      ForwardingNode: 'a',
      Connections: {},
      [field]: name,
    });
    expect(() => decodeRoutingUpdate(Buffer.from(`\u0001${text}`))).toThrow('a name of 1025 characters');
  });
  it.each(['NodeID', 'Service'])('is refused as %s of an advertisement', (field) => {
    const text = JSON.stringify({ NodeID: 'a', Service: 's', [field]: name });
    expect(() => decodeAdvertisement(Buffer.from(`\u0002${text}`))).toThrow('a name of 1025 characters');
  });
});

describe('arbitrary bytes', () => {
  it.each([
    ['routing update', decodeRoutingUpdate],
    ['advertisement', decodeAdvertisement],
    ['data', decodeData],
    ['unreachable', decodeUnreachable],
  ] as const)('as a %s throw only the typed error', (_name, decode) => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array().map((m) => Buffer.from(m)),
          damaged,
          fc.json().map((text) => Buffer.from(`\u0001${text}`)),
        ),
        (message) => throwsOnlyTyped(decode, message),
      ),
      { numRuns: 2000 },
    );
  });

  it('nested as deep as a message can be throw only the typed error', () => {
    throwsOnlyTyped(decodeRoutingUpdate, Buffer.from(`\u0001${'['.repeat(60_000)}`));
    throwsOnlyTyped(
      decodeRoutingUpdate,
      Buffer.from(`\u0001{"a":${'['.repeat(30_000)}${']'.repeat(30_000)}}`),
    );
  });
});
