import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { Netceptor, TcpDialler, TcpListener, UdpListener, WebSocketListener } from '../src/index.js';
import { VirtualClock } from '../src/simulation/virtual-clock.js';
import { encodeData } from '../src/wire/data.js';
import { encodeFrame } from '../src/wire/frame.js';
import { nameHash } from '../src/wire/name-hash.js';
import { encodeRoutingUpdate } from '../src/wire/routing-update.js';
import { Authority } from './certificates.js';

const host = '127.0.0.1';
let node: Netceptor;
let friend: Netceptor;
let address: string;
const sockets: { destroy?(): void; terminate?(): void }[] = [];
const portOf = (where: string) => Number(where.split(':').at(-1));

beforeEach(async () => {
  node = new Netceptor({ id: 'node' });
  friend = new Netceptor({ id: 'friend' });
  ({ address } = await node.addBackend(new TcpListener({ port: 0, host })));
  await friend.addBackend(new TcpDialler({ address }));
  while (!friend.isReachable('node')) await once(friend, 'routesChanged');
  while (!node.isReachable('friend')) await once(node, 'routesChanged');
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy?.();
  await Promise.all([node.close(), friend.close()]);
});

async function open(): Promise<Socket> {
  const socket = connect(portOf(address), host);
  socket.on('error', () => {});
  sockets.push(socket);
  await once(socket, 'connect');
  return socket;
}
let updates = 0;
const introduce = (id: string, connections: [string, number][] = [['node', 1]]) =>
  encodeRoutingUpdate({
    nodeId: id,
    updateId: `hostile${updates++}`,
    epoch: 5n,
    sequence: BigInt(updates),
    connections: new Map(connections),
    forwardingNode: id,
    suspectedDuplicate: 0n,
  });
async function establish(id: string): Promise<Socket> {
  const [socket] = (await establishAll([id])) as [Socket];
  return socket;
}
/** All wait together: a listener of the node for each would look like a leak. */
async function establishAll(ids: readonly string[]): Promise<Socket[]> {
  const opened = await Promise.all(ids.map(open));
  for (const [i, id] of ids.entries()) opened[i]?.write(encodeFrame(introduce(id)));
  while (!ids.every((id) => node.isReachable(id))) await once(node, 'routesChanged');
  return opened;
}
async function expectAlive(): Promise<void> {
  expect(await friend.ping('node')).toMatchObject({ from: 'node' });
  expect(node.status().connections).toContainEqual({ nodeId: 'friend', cost: 1 });
}
const heap = () => {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
};

describe('a node on TCP', () => {
  it('is not impressed by junk, by half frames, by empty ones, or by connections that come and go', async () => {
    for (let i = 0; i < 200; i++) {
      const socket = await open();
      if (i % 5 === 0) socket.write(randomBytes(20_000));
      else if (i % 5 === 1) socket.write(Buffer.from('ffff0102', 'hex'));
      else if (i % 5 === 2) socket.write(Buffer.alloc(40_000));
      else if (i % 5 === 3) socket.resetAndDestroy();
    }
    await expectAlive();
    expect(node.status().connections).toHaveLength(1);
  });

  it('keeps going when a neighbour turns to junk in the middle of its session', async () => {
    const socket = await establish('traitor');
    for (let i = 0; i < 500; i++) {
      const message = randomBytes(1 + ((i * 7) % 300));
      message[0] = i % 6;
      socket.write(encodeFrame(message));
    }
    socket.write(Buffer.from([0, 0, 0, 0]));
    await expectAlive();
    socket.write(Buffer.from('ffff', 'hex'));
    socket.destroy();
    while (node.isReachable('traitor')) await once(node, 'routesChanged');
    await expectAlive();
  });

  it('forwards to the others while one neighbour does not read, and keeps little of what that one is sent', async () => {
    const slow = await establish('slow');
    slow.pause();
    const before = heap();
    const message = encodeFrame(
      encodeData({
        hops: 5,
        fromNode: nameHash('flood'),
        toNode: nameHash('slow'),
        fromService: 'a',
        toService: 'b',
        payload: Buffer.alloc(30_000),
      }),
    );
    const flood = await establish('flood');
    for (let sent = 0; sent < 64 * 1024 * 1024; sent += message.length)
      if (!flood.write(message)) await once(flood, 'drain');
    const started = performance.now();
    await expectAlive();
    expect(performance.now() - started).toBeLessThan(5000);
    expect(node.status().packets.dropped).toBeGreaterThan(500);
    expect(heap() - before).toBeLessThan(40 * 1024 * 1024);
  });

  it('gives up a neighbour that does not even read what routing needs', async () => {
    const slow = await establish('slow');
    slow.pause();
    const chatty = await establish('chatty');
    const down = once(node, 'linkDown');
    let ended = false;
    void down.then(() => {
      ended = true;
    });
    const connections = Array.from({ length: 2000 }, (_, i): [string, number] => [`neighbour-${i}`, 1]);
    while (!ended) {
      const update = introduce('chatty', [['node', 1], ...connections]);
      if (!chatty.write(encodeFrame(update))) await once(chatty, 'drain');
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await down).toMatchObject([{ peer: 'slow', kind: 'stalled' }]);
    await expectAlive();
  });

  it('does not remember more than its share of what a neighbour makes up', async () => {
    const liar = await establish('liar');
    const before = heap();
    for (let i = 0; i < 20_000; i++) {
      const frame = encodeFrame(
        Buffer.from(`\u0002{"NodeID":"x${i}","Service":"s","Time":"2026-01-01T00:00:00Z","Cancel":true}`),
      );
      if (!liar.write(frame)) await once(liar, 'drain');
    }
    await expectAlive();
    expect(node.status().advertisements).toEqual([]);
    expect(heap() - before).toBeLessThan(60 * 1024 * 1024);
  });
});

describe('a peer that says nothing more', () => {
  it('keeps out nobody from elsewhere, however many connections it opens', async () => {
    for (let i = 0; i < 1100; i++) await open();
    const honest = connect({ port: portOf(address), host, localAddress: '127.0.0.2' });
    sockets.push(honest);
    honest.write(encodeFrame(introduce('honest')));
    while (!node.isReachable('honest')) await once(node, 'routesChanged');
    await expectAlive();
  });

  it('in the middle of a frame is given up when it was silent for too long, and holds nothing up', async () => {
    const clock = new VirtualClock();
    const quiet = new Netceptor({ id: 'quiet', clock });
    const listening = await quiet.addBackend(new TcpListener({ port: 0, host }));
    const [stalls, speaks] = [1, 2].map(() => connect(portOf(listening.address), host)) as [Socket, Socket];
    sockets.push(stalls, speaks);
    stalls.write(encodeFrame(introduce('stalls', [['quiet', 1]])));
    speaks.write(encodeFrame(introduce('speaks', [['quiet', 1]])));
    const ended: string[] = [];
    quiet.on('linkDown', ({ peer, kind }) => ended.push(`${peer} ${kind}`));
    const until = async (done: () => boolean, milliseconds: number) => {
      for (let passed = 0; !done() && passed < milliseconds; passed += 500) {
        await new Promise((resolve) => setTimeout(resolve, 5));
        await clock.advance(500);
        speaks.write(encodeFrame(introduce('speaks', [['quiet', 1]])));
      }
    };
    await until(() => quiet.isReachable('stalls') && quiet.isReachable('speaks'), 10_000);
    stalls.write(Buffer.from('ffff0100', 'hex'));
    await until(() => ended.length > 0, 60_000);
    expect(ended).toEqual(['stalls idle']);
    expect(quiet.isReachable('speaks')).toBe(true);
    const closed = quiet.close();
    await clock.advance(5000);
    await closed;
  });
});

describe('what a node says about a hostile peer', () => {
  it('does not fill the log, however much rubbish comes', async () => {
    const lines: string[] = [];
    const note = (line: string) => void lines.push(line);
    const log = { debug() {}, info() {}, warning: note, error: note };
    const told = new Netceptor({ id: 'told', log });
    const listening = await told.addBackend(new TcpListener({ port: 0, host }));
    const socket = connect(portOf(listening.address), host);
    sockets.push(socket);
    socket.write(encodeFrame(introduce('rubbish', [['told', 1]])));
    while (!told.isReachable('rubbish')) await once(told, 'routesChanged');
    for (let i = 0; i < 1000; i++)
      for (const text of ['\u0001{', '\u0009', '\u0002{}']) socket.write(encodeFrame(Buffer.from(text)));
    socket.write(Buffer.alloc(2000));
    socket.end();
    await once(told, 'linkDown');
    expect(lines.length).toBeGreaterThan(20);
    expect(lines.length).toBeLessThan(50);
    expect(lines.some((line) => line.startsWith('No more of this is told of 127.0.0.1:'))).toBe(true);
    await told.close();
  });
});

describe('a message that is too large for the next link', () => {
  it('is dropped, and the link goes on', async () => {
    const ws = await node.addBackend(new WebSocketListener({ port: 0, host }));
    const large = new WebSocket(`ws://${ws.address}`);
    await once(large, 'open');
    large.send(introduce('large'));
    while (!node.isReachable('large')) await once(node, 'routesChanged');
    const before = node.status().packets.dropped;
    const data = {
      hops: 5,
      fromNode: nameHash('large'),
      toNode: nameHash('friend'),
      fromService: 'a',
      toService: 'b',
    };
    large.send(encodeData({ ...data, payload: Buffer.alloc(200_000) }));
    const many: [string, number][] = Array.from({ length: 5000 }, (_, i) => [`neighbour-${i}`, 1]);
    large.send(introduce('large', [['node', 1], ...many]));
    large.send(
      encodeData({ ...data, payload: Buffer.alloc(100), toNode: nameHash('friend'), toService: 'ping' }),
    );
    await once(large, 'message');
    while (node.status().packets.dropped === before) await new Promise((resolve) => setTimeout(resolve, 10));
    await expectAlive();
    large.terminate();
  });
});

describe('a node on other backends', () => {
  it('ignores empty and meaningless datagrams', async () => {
    const udp = await node.addBackend(new UdpListener({ port: 0, host }));
    const socket = createSocket('udp4');
    for (const bytes of [Buffer.alloc(0), Buffer.from([1]), randomBytes(1000), Buffer.from('\u0001null')])
      for (let i = 0; i < 10; i++)
        await new Promise((resolve) => socket.send(bytes, portOf(udp.address), host, resolve));
    await expectAlive();
    socket.close();
  });

  it('ends a WebSocket that sends too much at once, and no other', async () => {
    const ws = await node.addBackend(new WebSocketListener({ port: 0, host }));
    const [bad, good] = [1, 2].map(() => new WebSocket(`ws://${ws.address}`)) as [WebSocket, WebSocket];
    await Promise.all([once(bad, 'open'), once(good, 'open')]);
    bad.send(Buffer.alloc(2 * 1024 * 1024));
    good.send(Buffer.alloc(0));
    good.send('text');
    good.send(introduce('good').toString());
    const [code] = (await once(bad, 'close')) as [number];
    expect(code).toBe(1009);
    while (!node.isReachable('good')) await once(node, 'routesChanged');
    good.terminate();
    await expectAlive();
  });

  it('serves others while callers stall in the TLS handshake', async () => {
    const authority = await Authority.create();
    const tls = await authority.sign();
    const secure = await node.addBackend(new TcpListener({ port: 0, host, tls }));
    for (let i = 0; i < 50; i++) {
      const socket = connect(portOf(secure.address), host);
      socket.on('error', () => {});
      sockets.push(socket);
      await once(socket, 'connect');
      if (i % 2) socket.write(Buffer.from('16030100', 'hex'));
    }
    const other = new Netceptor({ id: 'other' });
    await other.addBackend(
      new TcpDialler({ address: `localhost:${portOf(secure.address)}`, tls: { ca: authority.pem } }),
    );
    while (!node.isReachable('other')) await once(node, 'routesChanged');
    await other.close();
    await expectAlive();
  });
});

/** A count gets back to where it was, when connections have drained: three times as long as their round trips are. */
async function expectBack(count: () => number, before: number): Promise<void> {
  for (let tries = 0; count() > before + 5 && tries < 400; tries++)
    await new Promise((resolve) => setTimeout(resolve, 100));
  expect(count()).toBeLessThanOrEqual(before + 5);
}

describe('many at once', { timeout: 120_000 }, () => {
  it('500 streams are held, and their end leaves nothing', async () => {
    node.listen('hold', (stream) => stream.resume().on('end', () => stream.end()));
    const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
    const before = timers();
    const streams = [];
    for (let i = 0; i < 10; i++)
      streams.push(...(await Promise.all(Array.from({ length: 50 }, () => friend.dial('node', 'hold')))));
    expect(streams).toHaveLength(500);
    await Promise.all(
      streams.map(async (stream) => {
        stream.end('x');
        stream.resume();
        await once(stream, 'end');
      }),
    );
    await expectBack(timers, before);
    await expectAlive();
  });

  it('300 links come and go without a trace', async () => {
    const handles = () => process.getActiveResourcesInfo().length;
    const before = handles();
    for (let round = 0; round < 10; round++) {
      const guests = Array.from({ length: 30 }, (_, i) => `guest${i}`);
      for (const socket of await establishAll(guests)) socket.destroy();
      while (guests.some((guest) => node.isReachable(guest))) await once(node, 'routesChanged');
    }
    await expectBack(handles, before);
    await expectAlive();
  });
});
