import { once } from 'node:events';
import { beforeAll, describe, expect, it } from 'vitest';
import { engine } from '../src/engine.js';
import { type QuicConnection, QuicEndpoint } from '../src/index.js';
import { type Authority, certificate } from './support/certificates.js';
import { network } from './support/network.js';
import { connected, failure, PROTOCOLS, pair, stream } from './support/pair.js';

let identity: Authority;
beforeAll(async () => {
  identity = await certificate();
});

describe('a connection', () => {
  it.each([
    [0, 'normal close', 'Application error 0x0 (remote): normal close'],
    [500, 'Accept Timeout', 'Application error 0x1f4 (remote): Accept Timeout'],
    [2 ** 40, '', 'Application error 0x10000000000 (remote)'],
  ])('is closed with code %i and reason %j', async (code, reason, message) => {
    const both = pair();
    const { dialled, accepted } = await connected(both, identity);
    const events: unknown[] = [];
    accepted.on('close', (error) => events.push(error));
    dialled.close(code, reason);
    dialled.close(1, 'again');
    const seen = await accepted.closed;
    expect(seen).toMatchObject({ code: 'QUIC_CLOSED_BY_PEER', applicationCode: code, reason, message });
    expect(events).toEqual([seen]);
    expect(accepted.error).toBe(seen);
    expect(await dialled.closed).toMatchObject({ code: 'QUIC_CLOSED', applicationCode: code, reason });
    expect(() => dialled.close(-1)).toThrow('a close code is a whole number');
    both.close();
  });

  it('is lost when nothing is heard for the idle timeout, on both sides', async () => {
    const net = network();
    const { dialled, accepted } = (await net.clock.run(
      connected(net, identity, { connect: { keepAlive: 0, idleTimeout: 30_000 } }),
    )) as { dialled: QuicConnection; accepted: QuicConnection };
    const [near, far] = (await net.clock.run(stream({ dialled, accepted }))) ?? [];
    const failed = Promise.all([near, far].map((end) => end && failure(once(end.resume(), 'end'))));
    const before = net.clock.now();
    const ends = await net.clock.run(Promise.all([dialled.closed, accepted.closed]));
    expect(ends?.map((error) => error.code)).toEqual(['QUIC_IDLE_TIMEOUT', 'QUIC_IDLE_TIMEOUT']);
    expect(ends?.[0]?.message).toBe('timeout: no recent network activity');
    expect(net.clock.now() - before).toBeGreaterThan(29_000);
    expect(net.clock.now() - before).toBeLessThan(31_000);
    expect((await failed).map((error) => error?.code)).toEqual(['QUIC_IDLE_TIMEOUT', 'QUIC_IDLE_TIMEOUT']);
    expect([net.client.connections, net.server.connections]).toEqual([0, 0]);
    net.close();
    expect(net.clock.pending).toBe(0);
  });

  it('is kept alive by the dialler, with little traffic', async () => {
    const net = network();
    const { dialled, accepted } = (await net.clock.run(connected(net, identity))) as Awaited<
      ReturnType<typeof connected>
    >;
    await net.clock.run(20_000);
    const before = net.delivered;
    await net.clock.run(3_600_000);
    expect(dialled.error ?? accepted.error).toBeUndefined();
    expect(net.delivered - before).toBeLessThan(500);
    net.close();
  });

  it('is dropped when the peer has forgotten it', async () => {
    const net = network();
    const { dialled } = (await net.clock.run(connected(net, identity))) as Awaited<
      ReturnType<typeof connected>
    >;
    // The server loses its memory.
    const silent = new QuicEndpoint({ send: () => {} });
    net.server.close();
    silent.close();
    const error = await net.clock.run(dialled.closed);
    expect(error).toMatchObject({ code: 'QUIC_CLOSED_BY_PEER', applicationCode: 0 });
    net.close();
  });

  it('leaves nothing behind when its endpoint is closed', async () => {
    const net = network();
    const { accepted } = (await net.clock.run(connected(net, identity))) as Awaited<
      ReturnType<typeof connected>
    >;
    net.client.close(3, 'bye');
    net.client.close();
    expect(net.client.connections).toBe(0);
    expect(await net.clock.run(accepted.closed)).toMatchObject({ applicationCode: 3, reason: 'bye' });
    net.close();
    expect(net.clock.pending).toBe(0);
  });
});

describe('memory', () => {
  const hold = async (count: number) => {
    const both = pair();
    const arrived: QuicConnection[] = [];
    both.server.listen({ protocols: PROTOCOLS, identity, onConnection: (one) => void arrived.push(one) });
    const dialled: QuicConnection[] = [];
    for (let number = 0; number < count; number++) {
      dialled.push(await both.client.connect('server', { protocols: PROTOCOLS, verifyPeer: () => {} }));
    }
    for (const one of dialled) (await one.openStream()).write('hello');
    for (const one of arrived) await one.acceptStream();
    const held = engine().memory();
    expect(both.client.connections).toBe(count);
    both.close();
    return held;
  };

  it('comes back after 1000 connections that were held at once', { timeout: 120_000 }, async () => {
    await hold(20);
    const before = engine().memory();
    const first = await hold(1000);
    const between = engine().memory();
    const second = await hold(200);
    const after = engine().memory();
    expect(first.used).toBeGreaterThan(before.used);
    expect(between.used - before.used).toBeLessThan(100_000);
    expect(after.used - before.used).toBeLessThan(100_000);
    expect(second.total).toBe(first.total);
    // Both ends of each.
    expect(first.used / 2000).toBeLessThan(60_000);
  });

  it('stays flat over connections one after the other', { timeout: 120_000 }, async () => {
    const both = pair();
    const one = async () => {
      const { dialled, accepted } = await connected(both, identity);
      dialled.close();
      await accepted.closed;
    };
    for (let count = 0; count < 20; count++) await one();
    const before = engine().memory();
    for (let count = 0; count < 500; count++) await one();
    expect(engine().memory().total).toBeLessThan(before.total + 32_000_000);
    both.close();
    expect(engine().memory().used).toBeLessThan(before.used + 500_000);
  });
});
