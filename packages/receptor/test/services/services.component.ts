import { createHash, randomBytes } from 'node:crypto';
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync, rmSync, statSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type ConnectionOptions, connect as connectTls, createServer as createTlsServer } from 'node:tls';
import { ReceptorClient } from '@receptor/protocol';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { freePort } from '../../../../test/free-port.js';
import { type RunningDaemon, runDaemon } from '../control/running-daemon.js';
import { Authority, CertificateFiles } from '../tls/certificate-files.js';

const files = new CertificateFiles();
let authority: Authority;
beforeAll(async () => {
  authority = await Authority.create();
  files.write('ca.crt', authority.pem);
  for (const id of ['alpha', 'beta']) await files.pair(id, authority, { nodeIds: [id], dns: ['localhost'] });
});
afterAll(() => rmSync(files.directory, { recursive: true }));

const pair = (id: string) => ({
  cert: readFileSync(files.file(`${id}.crt`)),
  key: readFileSync(files.file(`${id}.key`)),
});

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** Two linked daemons with these sections. */
async function mesh(alpha: string, beta: string): Promise<{ alpha: RunningDaemon; beta: RunningDaemon }> {
  const port = await freePort();
  const tls = (id: string) =>
    `- tls-server: {name: server, cert: ${files.file(`${id}.crt`)}, key: ${files.file(`${id}.key`)}, requireclientcert: true, clientcas: ${files.file('ca.crt')}}\n` +
    `- tls-client: {name: client, cert: ${files.file(`${id}.crt`)}, key: ${files.file(`${id}.key`)}, rootcas: ${files.file('ca.crt')}}\n`;
  const start = async (id: string, sections: string) => {
    const daemon = await runDaemon(
      `${tls(id)}- control-service: {filename: DIR/foo.sock}\n${sections}`,
      undefined,
      id,
    );
    ends.push(() => daemon.end());
    return daemon;
  };
  const there = await start('beta', `- tcp-listener: {port: ${port}}\n${beta}`);
  const here = await start('alpha', `- tcp-peer: {address: "localhost:${port}"}\n${alpha}`);
  const client = new ReceptorClient(here.socket);
  ends.push(() => client.close());
  await vi.waitFor(async () => expect((await client.status()).RoutingTable).toHaveProperty('beta'), {
    timeout: 20_000,
    interval: 20,
  });
  return { alpha: here, beta: there };
}

/** A TCP server on the loopback. */
async function target(
  serve: (socket: Socket) => void,
  server: Server = createServer({ allowHalfOpen: true }, serve),
) {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  ends.push(() => server.close());
  return (server.address() as { port: number }).port;
}

function dial(port: number): Socket {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  ends.push(() => socket.destroy());
  return socket;
}

/** All that a stream says; unlike those of Node it leaves the stream open for what it is still to be told. */
function heard(stream: Duplex): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.once('end', () => resolve(Buffer.concat(chunks)));
    stream.once('error', reject);
  });
}

const text = async (stream: Duplex): Promise<string> => String(await heard(stream));

/** Answers with how much has come and its checksum, after it has heard the end. */
async function digest(stream: Duplex): Promise<void> {
  const all = await heard(stream);
  stream.end(`${all.length} ${createHash('sha256').update(all).digest('hex')}`);
}

const problems = (daemon: RunningDaemon) => daemon.log.filter((line) => /ERROR|WARN/.test(line));

describe('a TCP proxy', () => {
  it('carries much both ways, and the answer to the end of what was sent', async () => {
    const [near, far] = [await freePort(), await target((socket) => void digest(socket))];
    await mesh(
      `- tcp-server: {port: ${near}, bindaddr: 127.0.0.1, remotenode: beta, remoteservice: sum}`,
      `- tcp-client: {service: sum, address: "127.0.0.1:${far}"}`,
    );
    const payload = randomBytes(20_000_000);
    const socket = dial(near);
    socket.end(payload);
    expect(await text(socket)).toBe(`20000000 ${createHash('sha256').update(payload).digest('hex')}`);
  });

  it('tells the caller the end of the answer while it is still sending', async () => {
    let rest: Promise<string> | undefined;
    const far = await target((socket) => {
      socket.end('all there is');
      rest = text(socket);
    });
    const near = await freePort();
    await mesh(
      `- tcp-server: {port: ${near}, bindaddr: 127.0.0.1, remotenode: beta, remoteservice: half}`,
      `- tcp-client: {service: half, address: "127.0.0.1:${far}"}`,
    );
    const socket = dial(near);
    expect(await text(socket)).toBe('all there is');
    socket.end('and something for you');
    await vi.waitFor(() => expect(rest).toBeDefined());
    expect(await rest).toBe('and something for you');
  });

  it('gives the whole answer of a target that is gone before it has heard everything', async () => {
    const answer = randomBytes(300_000);
    const far = await target((socket) => {
      socket.on('error', () => {});
      socket.resume().end(answer, () => setTimeout(() => socket.resetAndDestroy(), 200));
    });
    const near = await freePort();
    await mesh(
      `- tcp-server: {port: ${near}, bindaddr: 127.0.0.1, remotenode: beta, remoteservice: rude}`,
      `- tcp-client: {service: rude, address: "127.0.0.1:${far}"}`,
    );
    const socket = dial(near);
    const all = heard(socket);
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.on('error', () => {});
    const sending = setInterval(() => socket.writable && socket.write('more'), 5);
    ends.push(() => clearInterval(sending));
    expect((await all).equals(answer)).toBe(true);
    // Who goes on sending to nobody is told in the end.
    await closed;
  });

  it('breaks off on one side what was broken off on the other', async () => {
    const far = await target((socket) => {
      socket.write('begun', () => setTimeout(() => socket.resetAndDestroy(), 50));
    });
    const near = await freePort();
    await mesh(
      `- tcp-server: {port: ${near}, bindaddr: 127.0.0.1, remotenode: beta, remoteservice: cut}`,
      `- tcp-client: {service: cut, address: "127.0.0.1:${far}"}`,
    );
    await expect(text(dial(near))).rejects.toMatchObject({ code: 'ECONNRESET' });
  });

  it('breaks off a caller whose target cannot be reached, whichever node finds out, and says why', async () => {
    const [nobody, noService, noTarget, noNode] = [
      await freePort(),
      await freePort(),
      await freePort(),
      await freePort(),
    ];
    const { alpha, beta } = await mesh(
      `- tcp-server: {port: ${noService}, bindaddr: 127.0.0.1, remotenode: beta, remoteservice: missing}\n` +
        `- tcp-server: {port: ${noNode}, bindaddr: 127.0.0.1, remotenode: nobody, remoteservice: x}\n` +
        `- tcp-server: {port: ${noTarget}, bindaddr: 127.0.0.1, remotenode: beta, remoteservice: dead}`,
      `- tcp-client: {service: dead, address: "127.0.0.1:${nobody}"}`,
    );
    for (const port of [noService, noNode, noTarget])
      await expect(text(dial(port))).rejects.toMatchObject({ code: 'ECONNRESET' });
    expect(problems(alpha).join('\n')).toMatch(/Error connecting on Receptor network: .*service unknown/);
    expect(problems(alpha).join('\n')).toMatch(/Error connecting on Receptor network: .*no route to node/);
    expect(problems(beta).join('\n')).toMatch(/Error connecting via TCP: .*ECONNREFUSED/);
  });

  it('lets callers dial side by side', async () => {
    const far = await target((socket) => socket.pipe(socket));
    const near = await freePort();
    await mesh(
      `- tcp-server: {port: ${near}, bindaddr: 127.0.0.1, remotenode: beta, remoteservice: echo}`,
      `- tcp-client: {service: echo, address: "127.0.0.1:${far}"}`,
    );
    const answers = Array.from({ length: 50 }, (_, i) => {
      const socket = dial(near);
      socket.end(`caller ${i}`);
      return text(socket);
    });
    expect(await Promise.all(answers)).toEqual(Array.from({ length: 50 }, (_, i) => `caller ${i}`));
  });

  it('speaks TLS on each of its three ways', async () => {
    const settings = { ca: authority.pem, ...pair('beta') };
    const server = createTlsServer(
      { ...settings, requestCert: true, allowHalfOpen: true },
      (socket) => void digest(socket),
    );
    const far = await target(() => {}, server);
    const near = await freePort();
    await mesh(
      `- tcp-server: {port: ${near}, bindaddr: 127.0.0.1, remotenode: beta, remoteservice: tls, tlsserver: server, tlsclient: client}`,
      `- tcp-client: {service: tls, address: "localhost:${far}", tlsserver: server, tlsclient: client}`,
    );
    const options: ConnectionOptions = {
      port: near,
      host: 'localhost',
      ca: authority.pem,
      ...pair('alpha'),
      allowHalfOpen: true,
    } as ConnectionOptions;
    const socket = connectTls(options);
    ends.push(() => socket.destroy());
    socket.end('secret');
    expect(await text(socket)).toMatch(/^6 /);
    const stranger = connectTls({ port: near, host: 'localhost', ca: authority.pem });
    stranger.on('error', () => {});
    await new Promise((resolve) => stranger.resume().once('close', resolve));
  });

  it('is cut when its node stops', async () => {
    const far = await target((socket) => socket.on('error', () => {}).pipe(socket));
    const near = await freePort();
    const { beta } = await mesh(
      `- tcp-server: {port: ${near}, bindaddr: 127.0.0.1, remotenode: beta, remoteservice: echo}`,
      `- tcp-client: {service: echo, address: "127.0.0.1:${far}"}`,
    );
    const socket = dial(near);
    socket.write('there?');
    await once(socket, 'data');
    const cut = text(socket);
    await Promise.all([beta.daemon.close(), expect(cut).rejects.toMatchObject({ code: 'ECONNRESET' })]);
  });

  it('does not start where its port is taken', async () => {
    const taken = await target(() => {});
    await expect(
      runDaemon(`- tcp-server: {port: ${taken}, bindaddr: 127.0.0.1, remotenode: a, remoteservice: b}`),
    ).rejects.toThrow(`listen tcp 127.0.0.1:${taken}: bind: address already in use`);
    await expect(
      runDaemon('- tcp-client: {service: x, address: "a:1"}\n- tcp-client: {service: x, address: "a:1"}'),
    ).rejects.toThrow('error listening on Receptor network: service x is already listening');
  });
});

describe('a Unix socket proxy', () => {
  it('carries both ways with half-close, over sockets with their mode', async () => {
    const { alpha } = await mesh(
      '- unix-socket-server: {filename: DIR/in.sock, permissions: 0640, remotenode: beta, remoteservice: unix, tls: client}',
      '- unix-socket-client: {service: unix, filename: DIR/foo.sock, tls: server}',
    );
    expect(statSync(`${alpha.directory}/in.sock`).mode & 0o777).toBe(0o640);
    const client = new ReceptorClient(`${alpha.directory}/in.sock`);
    ends.push(() => client.close());
    expect((await client.status()).NodeID).toBe('beta');
  });

  it('breaks off a caller when there is nobody at the other socket', async () => {
    const { alpha, beta } = await mesh(
      '- unix-socket-server: {filename: DIR/in.sock, remotenode: beta, remoteservice: unix}',
      '- unix-socket-client: {service: unix, filename: DIR/missing.sock}',
    );
    const socket = connect(`${alpha.directory}/in.sock`);
    socket.on('error', () => {});
    await once(socket, 'close');
    expect(problems(beta).join('\n')).toMatch(/Error connecting via Unix socket: .*ENOENT/);
  });
});

describe('a UDP proxy', () => {
  async function udp(serve: (socket: UdpSocket, message: Buffer, port: number) => void): Promise<number> {
    const socket = createSocket('udp4');
    socket.on('message', (message, { port }) => serve(socket, message, port));
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    ends.push(() => socket.close());
    return socket.address().port;
  }

  it('brings the answer to each sender, and empty datagrams too', async () => {
    const far = await udp((socket, message, port) =>
      socket.send(Buffer.concat([Buffer.from('re: '), message]), port, '127.0.0.1'),
    );
    const near = await freePort();
    await mesh(
      `- udp-server: {port: ${near}, bindaddr: 127.0.0.1, remotenode: beta, remoteservice: echo}`,
      `- udp-client: {service: echo, address: "127.0.0.1:${far}"}`,
    );
    const ask = async (question: string): Promise<string> => {
      const socket = createSocket('udp4');
      ends.push(() => socket.close());
      const answer = once(socket, 'message');
      socket.send(question, near, '127.0.0.1');
      return String((await answer)[0]);
    };
    const questions = ['one', 'two', '', 'x'.repeat(9000)];
    expect(await Promise.all(questions.map(ask))).toEqual(questions.map((question) => `re: ${question}`));
  });

  it('says why a datagram is lost, and goes on when its target is there', async () => {
    const [near, far] = [await freePort(), await freePort()];
    const { alpha, beta } = await mesh(
      `- udp-server: {port: ${near}, bindaddr: 127.0.0.1, remotenode: beta, remoteservice: echo}\n` +
        `- udp-server: {port: ${await freePort()}, bindaddr: 127.0.0.1, remotenode: beta, remoteservice: missing}`,
      `- udp-client: {service: echo, address: "127.0.0.1:${far}"}`,
    );
    const socket = createSocket('udp4');
    ends.push(() => socket.close());
    socket.send('anybody?', near, '127.0.0.1');
    await vi.waitFor(() =>
      expect(problems(beta).join('\n')).toContain(`Error on the UDP connection to 127.0.0.1:${far}`),
    );
    const late = createSocket('udp4').on('message', (_, { port }) => late.send('here', port, '127.0.0.1'));
    late.bind(far, '127.0.0.1');
    await once(late, 'listening');
    ends.push(() => late.close());
    const answer = once(socket, 'message');
    socket.send('anybody?', near, '127.0.0.1');
    expect(String((await answer)[0])).toBe('here');
    expect(problems(alpha)).toEqual([]);
  });
});

describe('a command service', () => {
  async function command(line: string): Promise<Socket> {
    const near = await freePort();
    await mesh(
      `- tcp-server: {port: ${near}, bindaddr: 127.0.0.1, remotenode: beta, remoteservice: cmd}`,
      `- command-service: {service: cmd, command: ${JSON.stringify(line)}}`,
    );
    return dial(near);
  }

  it('runs the command on a terminal, gives it the input, and ends with it', async () => {
    const socket = await command(`sh -c 'tty; read line; echo "got <$line>"'`);
    socket.write('some words\n');
    expect(await text(socket)).toMatch(
      /^\/dev\/pts\/\d+\r\nsome words\r\ngot <some words>\r\n$|got <some words>\r\n$/,
    );
  });

  it('tells the command the end of the input, and gives what it says after that', async () => {
    const socket = await command(`sh -c 'cat; echo "all read"'`);
    socket.end('line\n');
    expect(await text(socket)).toMatch(/line\r\n.*all read\r\n$/s);
  });

  it('gives all that the command says', async () => {
    const socket = await command('seq 200000');
    const lines = (await text(socket)).split('\r\n');
    expect([lines.length, lines[199_999]]).toEqual([200_001, '200000']);
  });

  it('hangs up when the caller is gone', async () => {
    const socket = await command(`sh -c 'echo $$; exec sleep 300'`);
    const [pid] = (await once(socket, 'data')) as [Buffer];
    socket.resetAndDestroy();
    await vi.waitFor(() => expect(() => process.kill(Number(String(pid)), 0)).toThrow('ESRCH'), 10_000);
  });

  it('tells the caller when there is no such command', async () => {
    expect(await text(await command('/does/not/exist'))).toContain('No such file or directory');
  });
});
