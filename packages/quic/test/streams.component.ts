import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { QuicEndpoint, type QuicStream } from '../src/index.js';
import { type Authority, certificate } from './support/certificates.js';
import { random } from './support/network.js';
import { type Connected, connected, failure, pair, stream } from './support/pair.js';

let identity: Authority;
beforeAll(async () => {
  identity = await certificate();
});

/** Bytes to be moved each way; QUIC_TEST_MEGABYTES=200 for a long run. */
const SIZE = Number(process.env.QUIC_TEST_MEGABYTES ?? 16) * 1_000_000;

function* noise(size: number): Generator<Buffer> {
  const next = random(size);
  const block = Buffer.from(Array.from({ length: 70_001 }, () => next() * 256));
  for (let at = 0; at < size; at += block.length) yield block.subarray(0, Math.min(block.length, size - at));
}

async function digest(readable: AsyncIterable<Buffer>): Promise<string> {
  const hash = createHash('sha256');
  for await (const bytes of readable) hash.update(bytes);
  return hash.digest('hex');
}

async function read(readable: QuicStream): Promise<string> {
  let text = '';
  readable.on('data', (bytes: Buffer) => {
    text += bytes.toString();
  });
  await once(readable, 'end');
  return text;
}

const setUp = async (options = {}) => {
  const both = pair();
  const connections = await connected(both, identity, options);
  const [near, far] = await stream(connections);
  return { ...both, ...connections, near, far };
};

describe('a stream', () => {
  it.each([1200, 16_348])(
    'carries the same bytes each way at once, in packets of up to %i bytes',
    async (size) => {
      const both = pair(undefined, { maxDatagramSize: size });
      const connections = await connected(both, identity);
      const [near, far] = await stream(connections);
      const expected = await digest(Readable.from(noise(SIZE)));
      const sums = Promise.all(
        [near, far].map((end) => {
          const hash = createHash('sha256');
          end.on('data', (bytes: Buffer) => hash.update(bytes));
          return once(end, 'end').then(() => hash.digest('hex'));
        }),
      );
      await Promise.all([near, far].map((end) => pipeline(Readable.from(noise(SIZE)), end)));
      expect(await sums).toEqual([expected, expected]);
      expect(near.bytesRead).toBe(SIZE);
      expect(far.bytesWritten).toBe(SIZE);
      const figures = connections.dialled.statistics();
      expect(figures?.datagramSize).toBe(size);
      expect(figures?.packetsLost).toBe(0);
      both.close();
    },
  );

  it('closes one direction, and goes on in the other', async () => {
    const { near, far, client, server } = await setUp();
    near.end('question');
    expect(await read(far)).toBe('question');
    far.write('answer ');
    far.end('after the end');
    expect(await read(near)).toBe('answer after the end');
    await Promise.all([near, far].map((end) => end.closed || once(end, 'close')));
    client.close();
    server.close();
  });

  it('is finished when the peer has everything, so that closing after it loses nothing', async () => {
    const { near, far, dialled, client, server } = await setUp();
    near.resume();
    near.end(Buffer.alloc(3_000_000, 1));
    await once(near, 'finish');
    dialled.close(0, 'normal close');
    let received = 0;
    for await (const bytes of far) received += (bytes as Buffer).length;
    expect(received).toBe(3_000_000);
    client.close();
    server.close();
  });

  it('delivers what it was given before it was destroyed in good order', async () => {
    const { near, far, client, server } = await setUp();
    near.end('all of it');
    near.destroy();
    expect(await read(far)).toBe('all of it');
    client.close();
    server.close();
  });

  it('takes empty writes, many small ones, and one that is larger than any window', async () => {
    const { near, far, client, server } = await setUp();
    near.write('');
    for (let count = 0; count < 5000; count++) near.write(`${count},`);
    near.write(Buffer.alloc(20_000_000, 'x'));
    near.end('');
    const numbers = `${[...Array(5000).keys()].join(',')},`;
    const text = await read(far);
    // Compared as a whole first, as a difference would fill pages.
    expect(text.startsWith(numbers)).toBe(true);
    expect(text.length).toBe(numbers.length + 20_000_000);
    client.close();
    server.close();
  });

  it('ends for a peer that stops reading, with its code, while the other direction goes on', async () => {
    const { near, far, client, server } = await setUp();
    far.stopReading(499);
    far.end('still here');
    expect(await read(near)).toBe('still here');
    const failed = once(near, 'error');
    near.write('more');
    const [error] = await failed;
    expect(error).toMatchObject({ code: 'QUIC_STREAM_STOPPED', applicationCode: 499 });
    expect(error.message).toBe('stream 0 canceled by remote with error code 499');
    client.close();
    server.close();
  });

  it('fails for a reader whose peer gives up, with its code, and finishes for who gave up', async () => {
    const { near, far, client, server } = await setUp();
    const finished = once(near, 'finish');
    near.reset(77);
    const [error] = await once(far, 'error');
    expect(error).toMatchObject({ code: 'QUIC_STREAM_RESET', applicationCode: 77 });
    await finished;
    client.close();
    server.close();
  });

  it('tells the peer the abort code when it is destroyed', async () => {
    const { near, far, client, server } = await setUp();
    far.resume();
    near.abortCode = 42;
    near.destroy();
    const [error] = await once(far, 'error');
    expect(error).toMatchObject({ code: 'QUIC_STREAM_RESET', applicationCode: 42 });
    client.close();
    server.close();
  });

  it('holds the writer back when nobody reads, and the engine holds no more than the windows', async () => {
    const windows = { streamWindow: 300_000, connectionWindow: 400_000, sendWindow: 500_000 };
    const { near, far, client, server } = await setUp({ connect: windows, listen: windows });
    let taken = 0;
    near.on('error', () => {});
    const chunk = Buffer.alloc(50_000);
    let blocked = false;
    while (!blocked && taken < 100_000_000) {
      blocked = !near.write(chunk, () => {
        taken += chunk.length;
      });
      await new Promise((resolve) => setImmediate(resolve));
    }
    // Until nothing moves any more.
    for (let before = -1; before !== taken; ) {
      before = taken;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect(blocked).toBe(true);
    expect(taken).toBeLessThan(300_000 + 500_000 + 2 * 262_144);
    // Reading sets it free.
    let received = 0;
    far.on('data', (bytes: Buffer) => {
      received += bytes.length;
    });
    near.end();
    await once(far, 'end');
    expect(received).toBe(near.bytesWritten - 1);
    client.close();
    server.close();
  });

  it('stops when the link is congested, and goes on when it is free', async () => {
    const queue: Buffer[] = [];
    const server: QuicEndpoint = new QuicEndpoint({
      send: (datagrams) => setImmediate(() => datagrams.forEach((one) => void client.receive(one, 'server'))),
    });
    // A link that holds ten datagrams at most.
    const client: QuicEndpoint = new QuicEndpoint({
      send: (datagrams) => {
        queue.push(...datagrams);
        most = Math.max(most, queue.length);
        setImmediate(() => {
          for (const one of queue.splice(0)) server.receive(one, 'client');
          client.resume();
        });
        return queue.length < 10;
      },
    });
    let most = 0;
    const connections = await connected({ client, server, close: () => {} }, identity);
    const [near, far] = await stream(connections);
    near.end(Buffer.alloc(5_000_000, 'x'));
    expect((await read(far)).length).toBe(5_000_000);
    // One batch may be under way when the link says that it is full.
    expect(most).toBeLessThan(10 + 40);
    expect(connections.dialled.statistics()?.packetsLost).toBe(0);
    client.close();
    server.close();
  });
});

describe('streams of one connection', () => {
  it('are many, and do not disturb each other', async () => {
    const both = pair();
    const { dialled, accepted } = await connected(both, identity);
    const echo = (async () => {
      for (let count = 0; count < 250; count++) {
        const incoming = await accepted.acceptStream();
        incoming.pipe(incoming);
      }
    })();
    const answers = await Promise.all(
      Array.from({ length: 250 }, async (_, number) => {
        const one = await dialled.openStream();
        one.end(`stream ${number}`);
        return read(one);
      }),
    );
    await echo;
    expect(answers).toEqual(Array.from({ length: 250 }, (_, number) => `stream ${number}`));
    both.close();
  });

  it('wait for the peer to allow another, or for the signal', async () => {
    const both = pair();
    const { dialled, accepted } = await connected(both, identity, { listen: { maxStreams: 1 } });
    const [first, incoming] = await stream({ dialled, accepted });
    const abort = new AbortController();
    const given = dialled.openStream({ signal: abort.signal });
    const kept = dialled.openStream();
    setImmediate(() => abort.abort());
    expect(await failure(given)).toMatchObject({ code: 'QUIC_ABORTED' });
    expect(await failure(accepted.acceptStream({ signal: AbortSignal.abort() }))).toMatchObject({
      code: 'QUIC_ABORTED',
    });
    first.resume().end();
    incoming.resume().end();
    expect((await kept).id).toBe(4);
    both.close();
  });

  it('can be opened by who was connected to', async () => {
    const both = pair();
    const { dialled, accepted } = await connected(both, identity);
    const [near, far] = await stream({ dialled: accepted, accepted: dialled } as Connected);
    near.end('hello');
    expect(await read(far)).toBe('hello');
    expect(near.id).toBe(1);
    both.close();
  });
});

describe('the end of a connection', () => {
  it('comes to a reader after what had arrived, as an error if the stream had not ended', async () => {
    const { near, far, dialled, accepted, client, server } = await setUp();
    near.write('half a sentence');
    await once(far, 'readable');
    dialled.close(500, 'Read Error: broken');
    await accepted.closed;
    const parts: string[] = [];
    const error = await failure(
      (async () => {
        for await (const bytes of far) parts.push(String(bytes));
      })(),
    );
    expect(parts.join('')).toBe('half a sentence');
    expect(error).toMatchObject({
      code: 'QUIC_CLOSED_BY_PEER',
      applicationCode: 500,
      reason: 'Read Error: broken',
    });
    expect(error.message).toBe('Application error 0x1f4 (remote): Read Error: broken');
    client.close();
    server.close();
  });

  it('fails a writer who waits, and one who comes later', async () => {
    const { near, dialled, accepted, client, server } = await setUp();
    near.write(Buffer.alloc(30_000_000));
    const failed = once(near, 'error');
    accepted.close(7, '');
    const [error] = await failed;
    expect(error).toMatchObject({ code: 'QUIC_CLOSED_BY_PEER', applicationCode: 7 });
    expect(await failure(dialled.openStream())).toMatchObject({ applicationCode: 7 });
    client.close();
    server.close();
  });

  it('destroys the streams of who closed it without an error', async () => {
    const { near, dialled, client, server } = await setUp();
    const closed = once(near, 'close');
    dialled.close();
    await closed;
    expect(near.errored).toBeNull();
    client.close();
    server.close();
  });

  it('counts an end as finished if the peer closes in good order after its own', async () => {
    const { near, far, accepted, client, server } = await setUp();
    far.end('done');
    expect(await read(near)).toBe('done');
    near.end('nobody waits for this');
    accepted.close(0, 'normal close');
    await once(near, 'finish');
    client.close();
    server.close();
  });
});
