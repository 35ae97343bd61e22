import { once } from 'node:events';
import type { QuicConnection } from '@receptor/quic';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MemoryNetwork, Netceptor } from '../../src/index.js';
import { VirtualClock } from '../../src/simulation/virtual-clock.js';
import { KnownPaths } from '../../src/stream/known-paths.js';
import { encodeRemote, openTransport } from '../../src/stream/transport.js';

let clock: VirtualClock;
let network: MemoryNetwork;
let victim: Netceptor;
let peer: Netceptor;
let served: number;
let logged: string[];

beforeEach(async () => {
  clock = new VirtualClock();
  network = new MemoryNetwork();
  served = 0;
  logged = [];
  const note = (text: string) => void logged.push(text);
  const log = { debug() {}, info() {}, warning: note, error: note };
  victim = new Netceptor({ id: 'victim', clock, log });
  peer = new Netceptor({ id: 'peer', clock });
  await victim.addBackend(network.listener('victim'));
  await peer.addBackend(network.dialler('peer', 'victim'));
  await clock.advance(1000);
  victim.listen('svc', (stream) => {
    served++;
    stream.pipe(stream);
  });
});
afterEach(async () => {
  const closing = Promise.all([victim.close(), peer.close()]);
  await clock.advance(5000);
  await closing;
});

/** What a promise comes to while time passes. */
async function meanwhile<T>(promise: Promise<T>, milliseconds = 1000): Promise<T> {
  let settled = false;
  const done = () => {
    settled = true;
  };
  promise.then(done, done);
  for (let passed = 0; !settled && passed < milliseconds; passed += 10) await clock.advance(10);
  if (!settled) throw new Error(`not within ${milliseconds} ms`);
  return promise;
}
/** A service for streams still serves, and the link is the one it was. */
async function expectUnharmed(): Promise<void> {
  const before = served;
  const stream = await meanwhile(peer.dial('victim', 'svc'));
  const answer = once(stream, 'data');
  stream.write('still here');
  expect(String((await meanwhile(answer))[0])).toBe('still here');
  expect(served).toBe(before + 1);
  stream.destroy();
  await clock.advance(100);
}
/** A connection to the service, without the manners of a node. */
async function connection(): Promise<QuicConnection> {
  const endpoint = openTransport(peer.openPacket(), clock, new KnownPaths(() => false));
  const connecting = endpoint.connect(encodeRemote('victim', 'svc'), {
    protocols: ['netceptor'],
    verifyPeer: () => {},
  });
  return meanwhile(connecting);
}
const failures = () => logged.filter((line) => line.startsWith('Error accepting a stream'));

describe('a caller of a stream', () => {
  it('that stalls in the middle of the handshake is given up after 15 seconds', async () => {
    let datagrams = 0;
    network.conditions = (from, _to, message) => ({
      delay: 0,
      // The first datagram begins the handshake; the rest of it never comes.
      lost: from === 'peer' && message[0] === 0 && datagrams++ > 0,
    });
    const abort = new AbortController();
    const dialling = peer.dial('victim', 'svc', { signal: abort.signal }).catch((error: Error) => error);
    await clock.advance(14_900);
    expect(failures()).toEqual([]);
    await clock.advance(200);
    expect(failures()).toHaveLength(1);
    abort.abort();
    await meanwhile(dialling);
    network.conditions = () => ({ delay: 0, lost: false });
    await expectUnharmed();
  });

  it('that never uses its stream is given up after 60 seconds', async () => {
    const idle = await connection();
    let ended: string | undefined;
    void idle.closed.then((error) => {
      ended = error.message;
    });
    await clock.advance(58_900);
    expect(ended).toBeUndefined();
    await expectUnharmed();
    await clock.advance(3000);
    expect(ended).toBe('Application error 0x1f4 (remote): Accept Timeout');
  });

  it('is served one stream of a connection; the others are not read, and there are 100 at most', async () => {
    const many = await connection();
    for (let i = 0; i < 100; i++)
      (await meanwhile(many.openStream())).on('error', () => {}).write(Buffer.from([0]));
    const abort = new AbortController();
    const oneMore = many.openStream({ signal: abort.signal }).then(
      () => 'opened',
      (error: { code: string }) => error.code,
    );
    await clock.advance(5000);
    abort.abort();
    expect(await meanwhile(oneMore)).toBe('QUIC_ABORTED');
    expect(served).toBe(1);
    await expectUnharmed();
    many.close(0, '');
  });

  it('that is gone is given up after 30 seconds, also when its node is not', async () => {
    let ended: string | undefined;
    victim.listen('watch', (stream) => {
      stream.on('error', (error: Error) => {
        ended = error.message;
      });
      stream.resume();
    });
    const stream = await meanwhile(peer.dial('victim', 'watch'));
    stream.on('error', () => {});
    stream.write('x');
    await clock.advance(100);
    network.conditions = (_from, _to, message) => ({ delay: 0, lost: message[0] === 0 });
    await clock.advance(29_000);
    expect(ended).toBeUndefined();
    await clock.advance(2000);
    expect(ended).toMatch(/no recent network activity|idle|timeout/i);
    network.conditions = () => ({ delay: 0, lost: false });
    await expectUnharmed();
  });
});
