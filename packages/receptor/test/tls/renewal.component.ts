import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { connect } from 'node:tls';
import { Netceptor, TcpDialler, TlsClientProfile } from '@receptor/netceptor';
import { afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { freePort } from '../../../../test/free-port.js';
import { type RunningDaemon, runDaemon } from '../control/running-daemon.js';
import { Authority, CertificateFiles } from './certificate-files.js';

let authority: Authority;
beforeAll(async () => {
  authority = await Authority.create();
});
let files: CertificateFiles;
beforeEach(() => {
  files = new CertificateFiles();
  files.write('ca.crt', authority.pem);
});
const started: { end(): Promise<void> }[] = [];
afterEach(async () => {
  for (const each of started.splice(0).reverse()) await each.end();
  rmSync(files.directory, { recursive: true });
});

async function start(sections: string, id = 'foo'): Promise<RunningDaemon> {
  const node = await runDaemon(sections, undefined, id);
  started.push(node);
  return node;
}
const logged = (node: RunningDaemon, text: string, times = 1) =>
  vi.waitFor(() => expect(node.log.filter((line) => line.includes(text))).toHaveLength(times), {
    timeout: 10_000,
  });
const RENEWED = 'files have changed, new connections use them';
const UNUSABLE = 'files have changed, but cannot be used, and what they held before stays in force';
const serialOf = (file: string) => new X509Certificate(readFileSync(files.file(file))).serialNumber;

/** The serial number of the certificate that is shown on a port. */
async function shown(port: number): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port, ca: authority.pem });
  await once(socket, 'secureConnect');
  const { serialNumber } = socket.getPeerCertificate();
  socket.destroy();
  return serialNumber;
}
const SERVER = () =>
  `- tls-server: {name: t, cert: ${files.file('foo.crt')}, key: ${files.file('foo.key')}}\n`;

it('new certificates are shown by every listener, and links that are up stay', async () => {
  await files.pair('foo', authority, { nodeIds: ['foo'] });
  const [tcp, ws] = [await freePort(), await freePort()];
  const node = await start(
    `${SERVER()}- tcp-listener: {port: ${tcp}, bindaddr: 127.0.0.1, tls: t}
- ws-listener: {port: ${ws}, bindaddr: 127.0.0.1, tls: t}
- control-service: {service: control, tls: t, tcplisten: "127.0.0.1:0", tcptls: t}\n`,
  );
  const ports = [tcp, ws, Number(node.tcp.split(':')[1])];
  const peer = new Netceptor({ id: 'peer' });
  started.push({ end: () => peer.close() });
  await peer.addBackend(new TcpDialler({ address: `localhost:${tcp}`, tls: { ca: authority.pem } }));
  while (!peer.isReachable('foo')) await once(peer, 'routesChanged');
  const downs: unknown[] = [];
  peer.on('linkDown', (event) => downs.push(event));
  /** Who dials the control service over the mesh and takes only this certificate. */
  const dial = async (fingerprint: string) => {
    const tls = new TlsClientProfile({ rootCas: authority.pem, pinnedServerCert: [fingerprint] });
    const stream = await peer.dial('foo', 'control', { tls });
    stream.on('error', () => {}).destroy();
  };
  const fingerprint = () => new X509Certificate(readFileSync(files.file('foo.crt'))).fingerprint256;
  const before = fingerprint();
  for (const port of ports) expect(await shown(port)).toBe(serialOf('foo.crt'));
  await dial(before);

  await files.pair('foo', authority, { nodeIds: ['foo'] });
  await logged(node, `TLS config t: ${RENEWED}`);
  for (const port of ports) expect(await shown(port)).toBe(serialOf('foo.crt'));
  await dial(fingerprint());
  await expect(dial(before)).rejects.toThrow('does not match any pinned fingerprint');
  expect(downs).toEqual([]);
});

it.each<[string, () => Promise<unknown>, string]>([
  ['is no certificate', async () => files.write('foo.crt', 'junk'), 'failed to find any PEM data'],
  [
    'has another key',
    async () => files.write('foo.key', (await authority.sign()).key),
    'private key does not match',
  ],
  ['is for another node', () => files.pair('foo', authority, { nodeIds: ['bar'] }), 'nodeID=foo not found'],
  ['is gone', async () => unlinkSync(files.file('foo.key')), 'no such file or directory'],
])('a new certificate that %s is not used; a good one later is', async (_, change, reason) => {
  await files.pair('foo', authority, { nodeIds: ['foo'] });
  const before = serialOf('foo.crt');
  const node = await start(`${SERVER()}- control-service: {tcplisten: "127.0.0.1:0", tcptls: t}\n`);
  const port = Number(node.tcp.split(':')[1]);
  await change();
  await logged(node, UNUSABLE);
  expect(node.log.find((line) => line.includes(UNUSABLE))).toContain(reason);
  expect(node.log.find((line) => line.includes(UNUSABLE))).toMatch(/^ERROR/);
  expect(await shown(port)).toBe(before);
  await files.pair('foo', authority, { nodeIds: ['foo'] });
  await logged(node, RENEWED);
  expect(await shown(port)).toBe(serialOf('foo.crt'));
});

it('files that are links to others change when the links do, as with mounted secrets', async () => {
  const put = async (version: string) => {
    mkdirSync(files.file(version));
    const { cert, key } = await authority.sign({ nodeIds: ['foo'] });
    writeFileSync(files.file(`${version}/foo.crt`), cert);
    writeFileSync(files.file(`${version}/foo.key`), key);
    symlinkSync(version, files.file('new'));
    renameSync(files.file('new'), files.file('data'));
  };
  await put('one');
  symlinkSync('data/foo.crt', files.file('foo.crt'));
  symlinkSync('data/foo.key', files.file('foo.key'));
  const node = await start(`${SERVER()}- control-service: {tcplisten: "127.0.0.1:0", tcptls: t}\n`);
  await put('two');
  await logged(node, RENEWED);
  expect(await shown(Number(node.tcp.split(':')[1]))).toBe(serialOf('two/foo.crt'));
  await put('three');
  await logged(node, RENEWED, 2);
});

it.each(['tcp', 'ws'])('a %s-peer dials with the certificate that there is then', async (kind) => {
  await files.pair('foo', authority, { nodeIds: ['foo'] });
  await files.pair('bar', authority, { nodeIds: ['bar'], until: -1 });
  const port = await freePort();
  const server = SERVER().replace('}', `, requireclientcert: true, clientcas: ${files.file('ca.crt')}}`);
  const foo = await start(`${server}- ${kind}-listener: {port: ${port}, bindaddr: 127.0.0.1, tls: t}\n`);
  const address = kind === 'tcp' ? `localhost:${port}` : `wss://localhost:${port}`;
  const client = `cert: ${files.file('bar.crt')}, key: ${files.file('bar.key')}, rootcas: ${files.file('ca.crt')}`;
  const bar = await start(
    `- tls-client: {name: c, ${client}}\n- ${kind}-peer: {address: "${address}", tls: c}\n`,
    'bar',
  );
  await vi.waitFor(() => expect(foo.log.some((line) => line.includes('TLS handshake failed'))).toBe(true), {
    timeout: 10_000,
  });
  expect(bar.log.some((line) => line.includes('Connection established'))).toBe(false);
  await files.pair('bar', authority, { nodeIds: ['bar'] });
  await vi.waitFor(
    () => expect(bar.log.some((line) => line.includes('Connection established with foo'))).toBe(true),
    {
      timeout: 20_000,
    },
  );
});
