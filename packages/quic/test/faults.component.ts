import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { engine } from '../src/engine.js';
import { QuicEndpoint } from '../src/index.js';
import { type Authority, certificate } from './support/certificates.js';
import { type Faults, network } from './support/network.js';
import { connected, failure, PROTOCOLS, pair, stream } from './support/pair.js';

let identity: Authority;
beforeAll(async () => {
  identity = await certificate();
});

describe('a network with faults', () => {
  it.each<[string, Faults]>([
    ['loses 1 %', { loss: 0.01 }],
    ['loses 1 %, reorders 2 %, doubles 1 %', { loss: 0.01, reordered: 0.02, duplicates: 0.01 }],
    ['corrupts 2 %', { corrupted: 0.02 }],
    ['loses a fifth', { loss: 0.2 }],
    ['doubles everything', { duplicates: 1 }],
    // Its numbers are so large that a timer of a fraction of a millisecond would be none.
    ['loses 1 % on a clock that shows milliseconds since 1970', { loss: 0.01, start: Date.UTC(2026, 0, 1) }],
  ])('that %s changes nothing of what arrives', async (_, faults) => {
    for (const seed of [1, 2, 3]) {
      const net = network({ ...faults, seed });
      const options = { handshakeTimeout: 120_000, idleTimeout: 120_000 };
      const connections = await net.clock.run(
        connected(net, identity, { connect: options, listen: options }),
      );
      if (!connections) throw new Error('no connection');
      const [near, far] = (await net.clock.run(stream(connections))) ?? [];
      if (!near || !far) throw new Error('no stream');
      const size = faults.loss === 0.2 ? 300_000 : 2_000_000;
      const payload = Buffer.alloc(size, `${seed} and some more`);
      const sum = createHash('sha256').update(payload).digest('hex');
      const sums = [near, far].map((end) => {
        const hash = createHash('sha256');
        end.on('data', (bytes: Buffer) => hash.update(bytes));
        return new Promise((resolve, reject) => {
          end.once('end', () => resolve(hash.digest('hex')));
          end.once('error', reject);
        });
      });
      near.end(payload);
      far.end(payload);
      expect(await net.clock.run(Promise.all(sums))).toEqual([sum, sum]);
      net.close();
      expect(net.clock.pending).toBe(0);
    }
  });
});

describe('hostile datagrams', () => {
  const datagrams = fc.uint8Array({ minLength: 0, maxLength: 1500 });

  it('of any bytes neither throw nor leave anything', async () => {
    const net = network();
    net.server.listen({ protocols: PROTOCOLS, identity, onConnection: () => {} });
    fc.assert(
      fc.property(datagrams, (datagram) => {
        net.server.receive(datagram, 'stranger');
        net.client.receive(datagram, 'stranger');
      }),
      { numRuns: 3000 },
    );
    await net.clock.run(1_000_000);
    expect([net.client.connections, net.server.connections]).toEqual([0, 0]);
    net.close();
    expect(net.clock.pending).toBe(0);
  });

  it('made from true ones, at any moment, do not end the engine or a connection', {
    timeout: 120_000,
  }, async () => {
    const { alive } = engine();
    expect(alive).toBe(true);
    const before = engine();
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(1_000_000), fc.nat(1499), fc.nat(255)), { minLength: 1, maxLength: 20 }),
        async (changes) => {
          const seen: { datagram: Buffer; to: 'client' | 'server'; from: 'client' | 'server' }[] = [];
          const both = pair((datagram, to, from) => {
            seen.push({ datagram: Buffer.from(datagram), to, from });
            setImmediate(() => {
              both[to].receive(datagram, from);
              // An old one again, with a byte changed, cut, and from somebody else.
              const [which, at, value] = changes[seen.length % changes.length] ?? [0, 0, 0];
              const old = seen[which % seen.length];
              if (!old) return;
              const copy = Buffer.from(old.datagram);
              copy[at % copy.length] = value;
              both[old.to].receive(copy, old.from);
              both[old.to].receive(copy.subarray(0, at % copy.length), old.from);
              both[old.to].receive(old.datagram, 'stranger');
            });
          });
          const connections = await connected(both, identity);
          const [near, far] = await stream(connections);
          far.pipe(far);
          near.end('echo');
          let text = '';
          for await (const bytes of near) text += String(bytes);
          expect(text).toBe('echo');
          both.close();
        },
      ),
      { numRuns: 40 },
    );
    expect(engine()).toBe(before);
  });

  it('of an unknown version are answered with the versions that are spoken, once and not amplified', () => {
    const answers: Buffer[] = [];
    const server = new QuicEndpoint({ send: (sent) => void answers.push(...sent), headroom: 38 });
    server.listen({ protocols: PROTOCOLS, identity, onConnection: () => {} });
    const datagram = Buffer.alloc(1200);
    datagram.set([0xc0, 0x0a, 0x0a, 0x0a, 0x0a, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0]);
    server.receive(datagram, 'stranger');
    server.receive(datagram.subarray(0, 1000), 'stranger');
    expect(answers).toHaveLength(1);
    const answer = answers[0]?.subarray(38) ?? Buffer.alloc(0);
    expect(answer.readUInt32BE(1)).toBe(0);
    expect(answer.subarray(-4).readUInt32BE()).toBe(1);
    server.close();
  });
});

describe('a trap of the engine', () => {
  it('ends its connections with an error; everything works afterwards', async () => {
    const both = pair();
    const { dialled, accepted } = await connected(both, identity);
    const [near, far] = await stream({ dialled, accepted });
    far.on('error', () => {});
    const failed = failure(new Promise((_, reject) => near.once('error', reject)));
    const dead = engine();
    expect(() => dead.call((module) => module.input(0xffff_ffff))).toThrow(/the QUIC engine failed/);
    expect(await dialled.closed).toMatchObject({ code: 'QUIC_INTERNAL' });
    expect(await accepted.closed).toMatchObject({ code: 'QUIC_INTERNAL' });
    expect(await failed).toMatchObject({ code: 'QUIC_INTERNAL' });
    expect([both.client.connections, both.server.connections]).toEqual([0, 0]);
    expect(engine()).not.toBe(dead);
    // The server listens as before; its options were not given again.
    const again = await both.client.connect('server', { protocols: PROTOCOLS, verifyPeer: () => {} });
    expect(again.protocol).toBe('netceptor');
    both.close();
  });
});
