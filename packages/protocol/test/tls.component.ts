import { getEventListeners, once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ReceptorClient } from '../src/index.js';
import { Authority } from './certificates.js';
import { failure, Peer } from './scripted-server.js';

let directory: string;
let authority: Authority;
let servers: Server[];
let sockets: Set<Socket>;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'receptor-tls-'));
  authority = await Authority.create();
  await writeFile(join(directory, 'ca.pem'), authority.pem);
  [servers, sockets] = [[], new Set()];
});
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  for (const server of servers) server.close();
  await rm(directory, { recursive: true });
});

async function listen(server: Server): Promise<string> {
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
  });
  server.on('tlsClientError', () => {});
  servers.push(server.listen(0, 'localhost'));
  await once(server, 'listening');
  return `tls://localhost:${(server.address() as AddressInfo).port}`;
}

describe('a client over TLS', () => {
  const payload = Buffer.from(Array.from({ length: 5_000_000 }, (_, i) => (i * 31 + (i >> 8)) % 256));

  it('shows its certificate, and half-closes as over any other connection', async () => {
    let received = Buffer.alloc(0) as Buffer;
    const names: string[] = [];
    const settings = {
      ...(await authority.sign()),
      requestCert: true,
      ca: [authority.pem],
      allowHalfOpen: true,
    };
    const address = await listen(
      createTlsServer(settings, async (socket) => {
        names.push(String(socket.getPeerCertificate().subject.CN));
        socket.write('Receptor Control, node foo\n');
        const peer = new Peer(socket);
        await peer.line();
        socket.write('Work unit created with ID abcd. Send stdin data and EOF.\n');
        received = await peer.rest();
        socket.end('{"result":"Job Started","unitid":"abcd"}\n');
      }),
    );
    const { cert, key } = await authority.sign({ name: 'someone' });
    const files = {
      cert: join(directory, 'crt'),
      key: join(directory, 'key'),
      rootcas: join(directory, 'ca.pem'),
    };
    await writeFile(files.cert, cert);
    await writeFile(files.key, key);
    using client = new ReceptorClient(address, files);
    expect(await client.submitWork({ workType: 'cat', payload })).toEqual({
      result: 'Job Started',
      unitid: 'abcd',
    });
    expect(received.equals(payload)).toBe(true);
    expect(names).toEqual(['someone']);
  });

  it('says why it does not trust a server', async () => {
    const address = await listen(createTlsServer(await authority.sign({ until: -0.5 })));
    using client = new ReceptorClient(address, { rootcas: join(directory, 'ca.pem') });
    const error = await failure(client.connect());
    expect(error).toMatchObject({
      code: 'RECEPTOR_CONNECT_FAILED',
      message: `Could not connect to host localhost port ${address.split(':').at(-1)}: the server's certificate has expired`,
      cause: { code: 'CERT_HAS_EXPIRED' },
    });
  });

  it('waits for a handshake no longer than it was told to', async () => {
    const address = await listen(createTcpServer((socket) => socket.resume()));
    using client = new ReceptorClient(address, { connectTimeoutMs: 50 });
    expect(await failure(client.connect())).toMatchObject({
      code: 'RECEPTOR_CONNECT_FAILED',
      message: expect.stringMatching(/: the control service said nothing for 0\.05 s$/),
    });
    await expect.poll(() => sockets.size).toBe(0);
  });

  it('leaves nothing behind when it is aborted in a handshake', async () => {
    const controller = new AbortController();
    const server = createTcpServer((socket) => {
      socket.resume();
      controller.abort();
    });
    const address = await listen(server);
    using client = new ReceptorClient(address);
    expect(await failure(client.connect({ signal: controller.signal }))).toMatchObject({
      code: 'RECEPTOR_ABORTED',
    });
    expect(getEventListeners(controller.signal, 'abort')).toEqual([]);
    await expect.poll(() => sockets.size).toBe(0);
  });
});
