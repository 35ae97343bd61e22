import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { pipeline } from 'node:stream';
import { Netceptor, TcpDialler } from '@receptor/netceptor';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { freePort } from '../../../../test/free-port.js';
import { Client, reached, submit } from '../control/client.js';
import { CONTROL, type RunningDaemon, runDaemon, WORK } from '../control/running-daemon.js';

let node: RunningDaemon;
let stranger: Netceptor;
let gate: Server;
/** A port whose every connection is one, over the mesh, to the control service of the daemon. */
let mesh: string;

beforeAll(async () => {
  const port = await freePort();
  node = await runDaemon(`${CONTROL}${WORK}\n- tcp-listener: {port: ${port}, bindaddr: 127.0.0.1}`);
  stranger = new Netceptor({ id: 'stranger' });
  await stranger.addBackend(new TcpDialler({ address: `127.0.0.1:${port}` }));
  while (!stranger.isReachable('foo')) await once(stranger, 'routesChanged');
  gate = createServer({ allowHalfOpen: true }, async (socket) => {
    socket.on('error', () => {});
    const stream = await stranger.dial('foo', 'control');
    pipeline(socket, stream, () => {});
    pipeline(stream, socket, () => {});
    socket.once('close', () => stream.destroy());
  });
  await new Promise<void>((resolve) => gate.listen(0, '127.0.0.1', resolve));
  mesh = `127.0.0.1:${(gate.address() as { port: number }).port}`;
});
afterAll(async () => {
  gate.close();
  await stranger.close();
  await node.end();
});

/** The daemon is well, for somebody at the machine and for somebody on the mesh. */
async function expectWell(): Promise<void> {
  for (const address of [node.socket, mesh]) {
    const client = await Client.greeted(address);
    expect(await client.ask('ping localhost')).toContain('"Success":true');
    client.vanish();
  }
}

describe('whatever comes over the mesh to the control service', () => {
  const line = fc.oneof(
    fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
    fc.json().map((text) => Buffer.from(`{"command":"work","subcommand":${text}}`)),
    fc
      .dictionary(
        fc.constantFrom('subcommand', 'node', 'worktype', 'unitid', 'ttl', '__proto__'),
        fc.jsonValue(),
      )
      .map((fields) => Buffer.from(JSON.stringify({ ...fields, command: 'work' }))),
  );

  it('gets whole lines for an answer and an end, and harms nobody', { timeout: 120_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(line, { maxLength: 5 }), async (lines) => {
        const client = await Client.greeted(mesh);
        for (const each of lines) client.send(Buffer.concat([each, Buffer.from('\n')]));
        client.endInput();
        const answer = (await client.rest()).toString();
        expect(answer === '' || answer.endsWith('\n')).toBe(true);
      }),
      { numRuns: 60 },
    );
    await expectWell();
  });

  it('is refused with an error when it is 10 MB without a newline, and takes no memory', async () => {
    const client = await Client.greeted(mesh);
    for (let count = 0; count < 10; count++) client.send(Buffer.alloc(1024 * 1024, 'x'));
    expect(await client.line()).toBe(`ERROR: command line is longer than ${4 * 1024 * 1024} bytes\n`);
    client.vanish();
    await vi.waitFor(() => expect(node.daemon.control.heldBytes).toBe(0));
    await expectWell();
  });

  it('may end in mid-payload: the unit is failed and not run', async () => {
    const client = await Client.greeted(mesh);
    const created = await client.ask('work submit foo cat');
    const id = /with ID (\w+)\./.exec(created)?.[1] ?? '';
    client.send('half a pay');
    const stdin = `${node.daemon.workceptor.directory}/${id}/stdin.new`;
    await vi.waitFor(() => expect(readFileSync(stdin, 'utf8')).toBe('half a pay'));
    // What resets the connection to the gate resets the stream; that it ends would be the end of the payload.
    client.socket.resetAndDestroy();
    expect(await reached(node.socket, id, 'Failed')).toContain('Error reading input data');
  });

  it('may be 300 clients at once, which are all served and leave nothing behind', async () => {
    const clients = await Promise.all(Array.from({ length: 300 }, () => Client.greeted(mesh)));
    const replies = await Promise.all(clients.map((client) => client.ask('work list')));
    expect(new Set(replies.map((reply) => reply.startsWith('{')))).toEqual(new Set([true]));
    for (const client of clients) client.vanish();
    await vi.waitFor(() => expect(node.daemon.control.sessions).toBe(0), { timeout: 10_000 });
    await expectWell();
  });

  it('may leave the results that it asked for unread: they are not read from the disk either', async () => {
    const id = await submit(node.socket, 'cat', Buffer.alloc(64 * 1024 * 1024, 'y'));
    await reached(node.socket, id, 'Succeeded');
    const stream = await stranger.dial('foo', 'control');
    stream.on('error', () => {});
    const before = process.memoryUsage();
    stream.write(`work results ${id}\n`);
    await once(stream, 'readable');
    for (let count = 0; count < 10; count++) await expectWell();
    const after = process.memoryUsage();
    // What QUIC lets be under way, on both sides of this one process.
    expect(after.arrayBuffers + after.external - before.arrayBuffers - before.external).toBeLessThan(
      40 * 1024 * 1024,
    );
    stream.destroy();
    await vi.waitFor(() => expect(node.daemon.control.sessions).toBe(0), { timeout: 10_000 });
  });
});
