import { once } from 'node:events';
import { beforeAll, describe, expect, it } from 'vitest';
import type { QuicConnection } from '../src/index.js';
import { type Authority, certificate } from './support/certificates.js';
import { VirtualClock } from './support/network.js';
import { type Connected, connected, pair, stream } from './support/pair.js';

let identity: Authority;
beforeAll(async () => {
  identity = await certificate();
});

const SIZE = 65_471;

/** Two connected ends over a path that carries datagrams of up to `path` bytes, which are recorded. */
async function meet({ known, path = SIZE }: { known: number; path?: number }) {
  const clock = new VirtualClock();
  const sizes: number[] = [];
  const both = pair(
    (datagram, to, from) => {
      sizes.push(datagram.length);
      if (datagram.length <= path) clock.deliver(() => both[to].receive(datagram, from), 1);
    },
    { clock, maxDatagramSize: SIZE, knownDatagramSize: () => known },
  );
  const ends = (await clock.run(connected(both, identity))) as Connected;
  return { clock, both, sizes, ends };
}

const sizeOf = (connection: QuicConnection) => connection.statistics()?.datagramSize;

describe('the datagrams of a connection', () => {
  it('grow by one try where nothing is known of the path', async () => {
    const { clock, both, sizes, ends } = await meet({ known: 0 });
    expect(sizeOf(ends.dialled)).toBe(1416);
    await clock.run(1000);
    expect([sizeOf(ends.dialled), sizeOf(ends.accepted)]).toEqual([SIZE, SIZE]);
    // One of each side.
    expect(sizes.filter((size) => size > 1416)).toEqual([SIZE, SIZE]);
    both.close();
  });

  it('are large at once, and nothing is tried, where the path is known', async () => {
    const { clock, both, sizes, ends } = await meet({ known: SIZE });
    expect([sizeOf(ends.dialled), sizeOf(ends.accepted)]).toEqual([SIZE, SIZE]);
    await clock.run(1000);
    expect(Math.max(...sizes)).toBeLessThan(1500);
    both.close();
  });

  it('are no larger than the endpoint allows, whatever is known', async () => {
    const { both, ends } = await meet({ known: 70_000 });
    expect(sizeOf(ends.dialled)).toBe(SIZE);
    both.close();
  });

  it('arrive all the same when the path has become another', { timeout: 30_000 }, async () => {
    const { clock, both, ends } = await meet({ known: SIZE, path: 1300 });
    const [near, far] = (await clock.run(stream(ends))) ?? [];
    if (!near || !far) throw new Error('there is no stream');
    const sent = Buffer.alloc(300_000, 'abc');
    const chunks: Buffer[] = [];
    far.on('data', (chunk: Buffer) => chunks.push(chunk));
    near.end(sent);
    await clock.run(once(far, 'end'));
    expect(Buffer.concat(chunks).equals(sent)).toBe(true);
    expect(sizeOf(ends.dialled)).toBe(1200);
    both.close();
  });
});
