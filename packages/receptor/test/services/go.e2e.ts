import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { ReceptorClient } from '@receptor/protocol';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { freePort } from '../../../../test/free-port.js';
import { GoNode, RECEPTOR_GO, SKIPPED } from '../../../netceptor/test/go-node.js';
import { runDaemon } from '../control/running-daemon.js';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** A Go node and one of ours, linked, each with a part of a proxy. */
async function mesh(ours: string, go: string): Promise<void> {
  const port = await freePort();
  const there = await GoNode.start(
    'go',
    `- tcp-listener:\n    port: ${port}\n    bindaddr: 127.0.0.1\n${go}`,
  );
  ends.push(() => there.stop());
  const here = await runDaemon(
    `- control-service: {filename: DIR/foo.sock}\n- tcp-peer: {address: "127.0.0.1:${port}"}\n${ours}`,
    undefined,
    'ours',
  );
  ends.push(() => here.end());
  const client = new ReceptorClient(here.socket);
  ends.push(() => client.close());
  await vi.waitFor(
    async () => {
      expect((await client.status()).RoutingTable).toHaveProperty('go');
      expect(await there.command('status')).toMatchObject({ RoutingTable: { ours: 'ours' } });
    },
    { timeout: 30_000, interval: 50 },
  );
}

/** The two ways to share out the ends of a proxy. */
const SHARES = [
  ['ours leads to one of Go', 'go', (entry: string, exit: string) => mesh(entry, exit)],
  ['one of Go leads to ours', 'ours', (entry: string, exit: string) => mesh(exit, entry)],
] as const;

async function echo(): Promise<number> {
  const server = createServer({ allowHalfOpen: true }, (socket) => socket.on('error', () => {}).pipe(socket));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  ends.push(() => server.close());
  return (server.address() as { port: number }).port;
}

/** Says something, and returns as many bytes of the answer. */
async function exchange(socket: Socket, bytes: Buffer): Promise<Buffer> {
  ends.push(() => socket.destroy());
  const chunks: Buffer[] = [];
  let length = 0;
  socket.write(bytes);
  while (length < bytes.length) {
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    chunks.push(chunk);
    length += chunk.length;
  }
  return Buffer.concat(chunks);
}

describe.skipIf(!RECEPTOR_GO)(`a service between a Go node and ours${SKIPPED}`, () => {
  const payload = Buffer.alloc(1_000_000, 'abcdefg');

  it.each(SHARES)('over TCP: %s', async (_, remote, start) => {
    const [near, far] = [await freePort(), await echo()];
    await start(
      `- tcp-server: {port: ${near}, bindaddr: 127.0.0.1, remotenode: ${remote}, remoteservice: echo}\n`,
      `- tcp-client: {service: echo, address: "127.0.0.1:${far}"}\n`,
    );
    expect((await exchange(connect(near, '127.0.0.1'), payload)).equals(payload)).toBe(true);
  });

  it.each(SHARES)('over a Unix socket: %s', async (_, remote, start) => {
    const [near, far] = [`/tmp/receptor-${process.pid}-near.sock`, await freePort()];
    const server = createServer((socket) => socket.on('error', () => {}).pipe(socket));
    const path = `/tmp/receptor-${process.pid}-${far}.sock`;
    await once(server.listen(path), 'listening');
    ends.push(() => server.close());
    await start(
      `- unix-socket-server: {filename: ${near}, remotenode: ${remote}, remoteservice: unix}\n`,
      `- unix-socket-client: {service: unix, filename: ${path}}\n`,
    );
    expect((await exchange(connect(near), payload)).equals(payload)).toBe(true);
  });

  it.each(SHARES)('over UDP: %s', async (_, remote, start) => {
    const target = createSocket('udp4');
    target.on('message', (message, { port }) => target.send(message, port, '127.0.0.1'));
    await once(target.bind(0, '127.0.0.1'), 'listening');
    ends.push(() => target.close());
    const near = await freePort();
    await start(
      `- udp-server: {port: ${near}, bindaddr: 127.0.0.1, remotenode: ${remote}, remoteservice: udp}\n`,
      `- udp-client: {service: udp, address: "127.0.0.1:${target.address().port}"}\n`,
    );
    const socket = createSocket('udp4');
    ends.push(() => socket.close());
    const answer = once(socket, 'message');
    socket.send('over the mesh', near, '127.0.0.1');
    expect(String((await answer)[0])).toBe('over the mesh');
  });

  it.each(SHARES)('that is a command: %s', async (_, remote, start) => {
    const near = await freePort();
    await start(
      `- tcp-server: {port: ${near}, bindaddr: 127.0.0.1, remotenode: ${remote}, remoteservice: cmd}\n`,
      `- command-service: {service: cmd, command: cat}\n`,
    );
    const socket = connect(near, '127.0.0.1');
    ends.push(() => socket.destroy());
    socket.write('hello\n');
    let said = '';
    socket.on('data', (data) => {
      said += String(data);
    });
    // Once by the terminal, once by the command.
    await vi.waitFor(() => expect(said).toBe('hello\r\nhello\r\n'), { timeout: 10_000 });
  });
});
