import { createHash, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, rmSync } from 'node:fs';
import { connect as connectPlain } from 'node:net';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { ReceptorClient } from '@receptor/protocol';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { type RunningDaemon, runDaemon, WORK } from '../control/running-daemon.js';
import { Authority, CertificateFiles } from './certificate-files.js';

const files = new CertificateFiles();
type Pair = { cert: string; key: string };
const pairs: Record<'foo' | 'bar' | 'stranger' | 'expired' | 'serverOnly', Pair> = {} as never;
let fingerprint: (pair: Pair, sum: string) => string;
beforeAll(async () => {
  const [authority, other] = [await Authority.create(), await Authority.create()];
  files.write('ca.crt', authority.pem);
  files.write('other.crt', other.pem);
  pairs.foo = await files.pair('foo', authority, { nodeIds: ['foo'] });
  pairs.bar = await files.pair('bar', authority, { nodeIds: ['bar'], dns: ['bar'] });
  pairs.stranger = await files.pair('stranger', other, { nodeIds: ['bar'] });
  pairs.expired = await files.pair('expired', authority, { nodeIds: ['bar'], until: -1 });
  pairs.serverOnly = await files.pair('server-only', authority, { usages: ['server'] });
  fingerprint = ({ cert }, sum) =>
    createHash(sum)
      .update(new X509Certificate(readFileSync(cert)).raw)
      .digest('hex');
});
afterAll(() => rmSync(files.directory, { recursive: true }));

let node: RunningDaemon | undefined;
afterEach(async () => {
  await node?.end();
  node = undefined;
});

/** A daemon whose control service is on TLS, with more settings of its tls-server. */
async function start(settings = ''): Promise<RunningDaemon> {
  node = await runDaemon(
    `- tls-server: {name: t, cert: ${files.file('foo.crt')}, key: ${files.file('foo.key')}${settings}}
- control-service: {tcplisten: "127.0.0.1:0", tcptls: t}
${WORK}`,
  );
  return node;
}

const REQUIRED = () => `, requireclientcert: true, clientcas: ${files.file('ca.crt')}`;

/** What a client of TLS gets to read first; what is wrong where it gets nothing. */
async function greeting({ tcp }: RunningDaemon, pair?: Pair, more: ConnectionOptions = {}): Promise<string> {
  const socket = connect({
    host: '127.0.0.1',
    port: Number(tcp.split(':')[1]),
    ca: readFileSync(files.file('ca.crt')),
    ...(pair && { cert: readFileSync(pair.cert), key: readFileSync(pair.key) }),
    ...more,
  });
  try {
    return await new Promise((resolve) => {
      socket.once('data', (chunk) => resolve(chunk.toString()));
      socket.once('error', (error: NodeJS.ErrnoException) => resolve(`refused: ${error.code}`));
      socket.once('close', () => resolve('closed'));
    });
  } finally {
    socket.destroy();
  }
}

const HELLO = 'Receptor Control, node foo\n';
const refusals = (daemon: RunningDaemon): string[] =>
  daemon.log.filter((line) => line.includes('TLS handshake error'));

describe('a control service on TLS', () => {
  it('serves a client of the library: status, a payload and its results', async () => {
    const { tcp, log } = await start();
    const client = new ReceptorClient(`tls://localhost:${tcp.split(':')[1]}`, {
      rootcas: files.file('ca.crt'),
    });
    expect(await client.status({ fields: ['NodeID'] })).toEqual({ NodeID: 'foo' });
    const payload = Buffer.alloc(3 * 1024 * 1024, 'payload ');
    const { unitid } = await client.submitWork({ workType: 'cat', payload });
    const chunks: Buffer[] = [];
    for await (const chunk of client.results(unitid)) chunks.push(chunk as Buffer);
    expect(Buffer.concat(chunks).equals(payload)).toBe(true);
    client.close();
    expect(log.join('')).not.toContain('ERROR');
  });

  it('ends a payload where the client ends the connection below TLS, as the Python client does', async () => {
    const { tcp } = await start();
    const raw = connectPlain({ host: '127.0.0.1', port: Number(tcp.split(':')[1]), allowHalfOpen: true });
    const socket: TLSSocket = connect({
      socket: raw,
      ca: readFileSync(files.file('ca.crt')),
      servername: 'localhost',
    });
    let said = '';
    socket.on('data', (chunk) => {
      said += chunk;
    });
    await once(socket, 'secureConnect');
    socket.write('work submit foo cat\nall of it');
    await vi.waitFor(() => expect(said).toContain('Send stdin data and EOF.'));
    raw.end();
    await vi.waitFor(() => expect(said).toContain('"result":"Job Started"'));
    socket.destroy();
  });

  it('asks for no certificate unless it is told to', async () => {
    const daemon = await start();
    expect(await greeting(daemon)).toBe(HELLO);
    expect(await greeting(daemon, pairs.stranger)).toBe(HELLO);
  });

  it.each(['required', 'with authorities alone'])(
    '%s: takes a client with a certificate of its authority only',
    async (how) => {
      const daemon = await start(how === 'required' ? REQUIRED() : `, clientcas: ${files.file('ca.crt')}`);
      expect(await greeting(daemon, pairs.foo)).toBe(HELLO);
      // Of whatever node: on TCP nobody asks.
      expect(await greeting(daemon, pairs.bar)).toBe(HELLO);
      for (const pair of [undefined, pairs.stranger, pairs.expired, pairs.serverOnly])
        expect(await greeting(daemon, pair)).toMatch(/^refused|^closed/);
      await vi.waitFor(() => expect(refusals(daemon)).toHaveLength(4));
      expect(daemon.daemon.control.sessions).toBe(0);
      expect(daemon.log.filter((line) => line.includes('Client connected'))).toHaveLength(2);
    },
  );

  it('takes none but the certificates whose fingerprints are pinned', async () => {
    for (const sum of ['sha256', 'sha512']) {
      const daemon = await start(`${REQUIRED()}, pinnedclientcert: ["${fingerprint(pairs.bar, sum)}"]`);
      expect(await greeting(daemon, pairs.bar)).toBe(HELLO);
      expect(await greeting(daemon, pairs.foo)).not.toContain('Receptor');
      await vi.waitFor(() =>
        expect(refusals(daemon).join()).toContain(
          'TLS handshake error: RVF failed: presented certificate does not match any pinned fingerprint. Closing socket.',
        ),
      );
      await daemon.end();
      node = undefined;
    }
  });

  it('speaks TLS 1.2, or 1.3 only', async () => {
    const daemon = await start();
    expect(await greeting(daemon, undefined, { maxVersion: 'TLSv1.2' })).toBe(HELLO);
    expect(await greeting(daemon, undefined, { maxVersion: 'TLSv1.1', minVersion: 'TLSv1.1' })).toMatch(
      /^refused/,
    );
    await daemon.end();
    const strict = await start(', mintls13: true');
    expect(await greeting(strict)).toBe(HELLO);
    expect(await greeting(strict, undefined, { maxVersion: 'TLSv1.2' })).toMatch(/^refused/);
  });

  it('turns away who speaks no TLS, and goes on', async () => {
    const daemon = await start();
    for (const words of ['work list\n', 'GET / HTTP/1.1\r\n\r\n', '\u0016\u0003\u0001\uffff']) {
      const socket = connectPlain({ host: '127.0.0.1', port: Number(daemon.tcp.split(':')[1]) });
      socket.on('error', () => {});
      socket.write(words);
      socket.end();
      socket.resume();
      await once(socket, 'close');
    }
    await vi.waitFor(() => expect(refusals(daemon).length).toBeGreaterThanOrEqual(2));
    expect(
      refusals(daemon).every((line) =>
        /^ERROR [0-9/: ]+ TLS handshake error: [^\n]*\. Closing socket\.\n$/.test(line),
      ),
    ).toBe(true);
    expect(await greeting(daemon)).toBe(HELLO);
  });

  it('ends with the daemon, also for those in the middle of a handshake', async () => {
    const daemon = await start();
    const socket = connectPlain({ host: '127.0.0.1', port: Number(daemon.tcp.split(':')[1]) });
    socket.on('error', () => {});
    await once(socket, 'connect');
    const ended = once(socket, 'close');
    const session = connect({
      host: '127.0.0.1',
      port: Number(daemon.tcp.split(':')[1]),
      rejectUnauthorized: false,
    });
    session.on('error', () => {});
    await once(session, 'data');
    const sessionEnded = once(session, 'close');
    await daemon.end();
    node = undefined;
    await Promise.all([ended, sessionEnded]);
  });
});

describe('a control service with TLS on the mesh but not on TCP', () => {
  it('warns', async () => {
    node = await runDaemon(
      `- tls-server: {name: t, cert: ${files.file('foo.crt')}, key: ${files.file('foo.key')}}
- control-service: {filename: DIR/foo.sock, tcplisten: "127.0.0.1:0", tls: t}`,
    );
    expect(node.log.join('')).toContain(
      'Control service control has TLS configured on the Receptor listener but not the TCP listener.\n',
    );
    const client = new ReceptorClient(node.socket);
    expect((await client.status()).Advertisements?.[0]?.ConnType).toBe(2);
    await expect(client.connectService('foo', 'control')).rejects.toThrow(
      'CRYPTO_ERROR 0x12a (local): insecure connection to secure service',
    );
    client.close();
  });
});
