import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { HANDSHAKE_TIMEOUT, MAX_CONNECTIONS } from '../../src/backends/listener-options.js';
import {
  type Backend,
  Netceptor,
  TcpDialler,
  TcpListener,
  UdpListener,
  WebSocketDialler,
  WebSocketListener,
} from '../../src/index.js';
import { Authority, type Pair } from '../certificates.js';
import { host, introduce, portOf, Victim } from './victim.js';

let victim: Victim;
beforeEach(async () => {
  victim = await Victim.start();
});
afterEach(() => victim.close());

const tlsPair = async (): Promise<Pair> => (await Authority.create()).sign();

/** A listener with few connections, and how to reach it. */
const three = { port: 0, host, maxConnections: 3 };
const tls = { rejectUnauthorized: false };
const kinds: [string, () => Promise<Backend>, (address: string) => Backend][] = [
  ['TCP', async () => new TcpListener(three), (address) => new TcpDialler({ address })],
  [
    'TLS',
    async () => new TcpListener({ ...three, tls: await tlsPair() }),
    (address) => new TcpDialler({ address, tls }),
  ],
  [
    'WebSocket',
    async () => new WebSocketListener(three),
    (address) => new WebSocketDialler({ address: `ws://${address}` }),
  ],
  [
    'WebSocket with TLS',
    async () => new WebSocketListener({ ...three, tls: await tlsPair() }),
    (address) => new WebSocketDialler({ address: `wss://${address}`, tls }),
  ],
];

describe('a listener', () => {
  it.each(kinds)(
    'over %s accepts no more connections than it may have, and others again when one has ended',
    async (_, listener, dialler) => {
      const { address } = await victim.node.addBackend(await listener());
      const taken = [];
      for (let i = 0; i < 3; i++) taken.push(await victim.open(address));
      const refused = await victim.open(address);
      await refused.ended;
      expect(taken.map(({ socket }) => socket.destroyed)).toEqual([false, false, false]);
      await victim.expectUnharmed();
      taken[0]?.socket.destroy();
      const honest = new Netceptor({ id: 'honest' });
      await honest.addBackend(dialler(address));
      await victim.reaches('honest');
      await honest.close();
    },
  );

  it('over UDP hears no more addresses than it may, and goes on with those it knows', async () => {
    const { address } = await victim.node.addBackend(new UdpListener({ port: 0, host, maxSessions: 2 }));
    const sockets: UdpSocket[] = [];
    const say = (socket: UdpSocket, id: string) =>
      new Promise((resolve) => socket.send(introduce(id), portOf(address), host, resolve));
    for (const id of ['udp1', 'udp2']) {
      const socket = createSocket('udp4');
      sockets.push(socket);
      await say(socket, id);
      await victim.reaches(id);
    }
    const late = createSocket('udp4');
    sockets.push(late);
    await say(late, 'udp3');
    // Datagrams to one socket arrive in the order in which they were sent: the node has seen the stranger's before this one.
    const [known] = sockets as [UdpSocket];
    await new Promise((resolve) =>
      known.send(
        introduce('udp1', [
          ['victim', 1],
          ['marker', 1],
        ]),
        portOf(address),
        host,
        resolve,
      ),
    );
    while (!victim.node.status().knownConnections.get('udp1')?.has('marker'))
      await new Promise((resolve) => setImmediate(resolve));
    expect(victim.node.status().connections.map(({ nodeId }) => nodeId)).toEqual(['friend', 'udp1', 'udp2']);
    await victim.expectUnharmed();
    for (const socket of sockets) socket.close();
  });

  it('has room for ten thousand, and ten seconds for each to begin, unless it is told otherwise', () => {
    expect([MAX_CONNECTIONS, HANDSHAKE_TIMEOUT]).toEqual([10_000, 10_000]);
  });
});

describe('a caller that stalls before its session', () => {
  it.each([
    [
      'without a byte of its TLS handshake',
      (tls: Pair) => new TcpListener({ port: 0, host, tls, handshakeTimeout: 200 }),
      '',
    ],
    [
      'in the middle of its TLS handshake',
      (tls: Pair) => new TcpListener({ port: 0, host, tls, handshakeTimeout: 200 }),
      '\x16\x03\x01\x00',
    ],
    [
      'in the TLS handshake before WebSocket',
      (tls: Pair) => new WebSocketListener({ port: 0, host, tls, handshakeTimeout: 200 }),
      '\x16\x03\x01\x00',
    ],
    [
      'without a byte of its request',
      () => new WebSocketListener({ port: 0, host, handshakeTimeout: 200 }),
      '',
    ],
    [
      'in the middle of its request',
      () => new WebSocketListener({ port: 0, host, handshakeTimeout: 200 }),
      'GET / HT',
    ],
  ])('%s is cut off', async (_, make, said) => {
    const { address } = await victim.node.addBackend(make(await tlsPair()));
    const { socket, ended } = await victim.open(address);
    socket.write(Buffer.from(said, 'latin1'));
    await ended;
    await victim.expectUnharmed();
  });
});

describe('a message over WebSocket', () => {
  it('may have 1 MiB and not a byte more', async () => {
    const { address } = await victim.node.addBackend(new WebSocketListener({ port: 0, host }));
    const peer = new WebSocket(`ws://${address}`);
    await once(peer, 'open');
    const largest = Buffer.alloc(1024 * 1024, 0x20);
    introduce('large').copy(largest);
    peer.send(largest);
    await victim.reaches('large');
    peer.send(Buffer.alloc(largest.length + 1));
    expect((await once(peer, 'close'))[0]).toBe(1009);
    await victim.expectUnharmed();
  });
});

describe('a peer over WebSocket that works against what WebSocket itself answers and gathers', () => {
  const begin = async (): Promise<WebSocket> => {
    const { address } = await victim.node.addBackend(new WebSocketListener({ port: 0, host }));
    const peer = new WebSocket(`ws://${address}`);
    peer.on('error', () => {});
    await once(peer, 'open');
    peer.send(introduce('peer'));
    await victim.reaches('peer');
    return peer;
  };

  it('with pings whose answers it does not read is given up', async () => {
    const peer = await begin();
    peer.pause();
    const down = once(victim.node, 'linkDown');
    let ended = false;
    peer.once('close', () => {
      ended = true;
    });
    void down.then(() => {
      ended = true;
    });
    const payload = Buffer.alloc(125);
    while (!ended) {
      await new Promise<void>((resolve) => {
        for (let i = 0; i < 1000; i++) peer.ping(payload, true, i === 999 ? () => resolve() : undefined);
      });
    }
    expect(await down).toMatchObject([{ peer: 'peer' }]);
    await victim.expectUnharmed();
    peer.terminate();
  });

  it('with a message in very many pieces is given up', async () => {
    const peer = await begin();
    const down = once(victim.node, 'linkDown');
    const closed = once(peer, 'close');
    for (let i = 0; i < 20_000; i++) peer.send(Buffer.alloc(1), { fin: false });
    expect((await closed)[0]).toBe(1008);
    expect(await down).toMatchObject([{ peer: 'peer' }]);
    await victim.expectUnharmed();
  });
});
