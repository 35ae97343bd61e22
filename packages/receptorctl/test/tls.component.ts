import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Authority, type Pair } from '../../protocol/test/certificates.js';
import { runCaptured, Sink } from './capture.js';

let directory: string;
let authority: Authority;
let stranger: Authority;
let host: Pair;
const servers: Server[] = [];
const sockets = new Set<Socket>();

/** Writes a file, and gives its path. */
async function file(name: string, text: string): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, text, { mode: 0o600 });
  return path;
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'receptorctl-tls-'));
  [authority, stranger] = [await Authority.create(), await Authority.create()];
  host = await authority.sign();
  const client = await authority.sign({ name: 'client' });
  const unknown = await stranger.sign({ name: 'client' });
  await file('ca.pem', authority.pem);
  for (const [name, pair] of Object.entries({ client, unknown })) {
    await file(`${name}.crt`, pair.cert);
    await file(`${name}.key`, pair.key);
  }
});
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  for (const server of servers.splice(0)) {
    server.close();
    await once(server, 'close');
  }
});
afterAll(() => rm(directory, { recursive: true }));

function answer(socket: Socket): void {
  sockets.add(socket);
  socket.on('error', () => {});
  socket.write('Receptor Control, node foo\n');
  socket.on('data', () => socket.write('{"Version":""}\n'));
}

/** Starts a server that knows one answer. @returns its address. */
async function listen(server: Server): Promise<string> {
  server.on('tlsClientError', () => {});
  servers.push(server.listen(0, 'localhost'));
  await once(server, 'listening');
  return `tls://localhost:${(server.address() as AddressInfo).port}`;
}

const tlsServer = (pair: Pair, options: TlsOptions = {}) =>
  listen(createTlsServer({ ...pair, ...options }, answer));

/** Runs `version` against an address as at a terminal; FILE stands for the directory of the files. */
async function version(address: string, line = '', env: NodeJS.ProcessEnv = {}) {
  const words = line.split(' ').filter(Boolean);
  const args = words.map((word) => word.replace(/^FILE\//, `${directory}/`));
  const stderr = new Sink();
  stderr.isTTY = true;
  const run = (streams: { stderr?: Sink }) =>
    runCaptured(['--socket', address, ...args, 'version'], { env: { NO_COLOR: '1', ...env }, ...streams });
  const script = await run({});
  const person = await run({ stderr });
  const [error, hint] = person.stderr.trimEnd().split('\nHint: ');
  expect({ exit: person.exit, error }).toEqual({ exit: script.exit, error: script.stderr.trimEnd() });
  return { exit: script.exit, error, hint };
}

const RIGHT = '--rootcas FILE/ca.pem';
const works = { exit: 0, error: '', hint: undefined };
const fails = (address: string, hint: unknown) => ({
  exit: 1,
  error: `ERROR: Could not connect to host localhost port ${address.split(':').at(-1)}`,
  hint,
});

describe('a server over TLS', () => {
  it('is spoken with when its certificate is right', async () => {
    expect(await version(await tlsServer(host), RIGHT)).toEqual(works);
    expect(await version(await tlsServer(host, { maxVersion: 'TLSv1.2' }), RIGHT)).toEqual(works);
  });

  it.each([
    [
      'of an unknown authority',
      {},
      '',
      "the server's certificate is not signed by a trusted authority (--rootcas)",
    ],
    [
      'of an unknown authority, the name not checked',
      {},
      '--insecureskipverify true',
      "the server's certificate is not signed by a trusted authority (--rootcas)",
    ],
    ['that has expired', { from: -3, until: -1 }, RIGHT, "the server's certificate has expired"],
    ['of the future', { from: 1 }, RIGHT, "the server's certificate is not valid yet"],
    [
      'of another host',
      { name: 'elsewhere' },
      RIGHT,
      "the server's certificate is for DNS:elsewhere, not for localhost",
    ],
  ])('is refused when its certificate is one %s, and why is said', async (_name, wanted, line, hint) => {
    const address = await tlsServer(await authority.sign(wanted));
    expect(await version(address, line)).toEqual(fails(address, hint));
  });

  it('may have the certificate of another host when the name is not checked', async () => {
    const address = await tlsServer(await authority.sign({ name: 'elsewhere' }));
    expect(await version(address, `${RIGHT} --insecureskipverify true`)).toEqual(works);
  });

  it('must speak TLS 1.2 or later', async () => {
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
    const address = await tlsServer(host, old);
    expect(await version(address, RIGHT)).toEqual(fails(address, 'the server refused the TLS handshake'));
  });

  it('must speak TLS at all', async () => {
    const address = await listen(createTcpServer(answer));
    expect(await version(address, RIGHT)).toEqual(fails(address, 'the server does not speak TLS there'));
    const plain = address.replace('tls', 'tcp');
    expect(await version(plain)).toEqual(works);
    const secure = (await tlsServer(host)).replace('tls', 'tcp');
    const mistaken = runCaptured(['--socket', secure, 'version'], { signal: AbortSignal.timeout(300) });
    expect((await mistaken).exit).not.toBe(0);
  });
});

/** Node as a server hangs up on a certificate it does not know; others say what is wrong with it. */
const REFUSED =
  'the server closed the connection at once; it may want another certificate (--cert and --key)';

describe('a server that asks for certificates', () => {
  const asking = () => tlsServer(host, { requestCert: true, ca: [authority.pem] });

  it('gets the one of --cert and --key', async () => {
    expect(await version(await asking(), `${RIGHT} --cert FILE/client.crt --key FILE/client.key`)).toEqual(
      works,
    );
  });

  it('is not spoken with without one', async () => {
    const address = await asking();
    const wants = fails(address, 'the server wants a certificate of the client (--cert and --key)');
    expect(await version(address, RIGHT)).toEqual(wants);
    // A certificate needs its key, and a key its certificate.
    expect(await version(address, `${RIGHT} --cert FILE/client.crt`)).toEqual(wants);
  });

  it('is not spoken with with one it does not know', async () => {
    const address = await asking();
    const line = `${RIGHT} --cert FILE/unknown.crt --key FILE/unknown.key`;
    expect(await version(address, line)).toEqual(fails(address, REFUSED));
  });
});

describe('the files for TLS', () => {
  it.each([
    ['--rootcas FILE/nosuch.pem', /^ENOENT: no such file or directory, open '.*nosuch\.pem'$/],
    [
      `${RIGHT} --cert FILE/client.crt --key FILE/unknown.key`,
      /^the key does not belong to the certificate$/,
    ],
    [`${RIGHT} --cert FILE/foo.yml --key FILE/client.key`, /^a certificate or key file has no PEM text/],
  ])('of %s cannot be used, and why is said', async (line, hint) => {
    await file('foo.yml', 'no certificate');
    const address = await tlsServer(host);
    expect(await version(address, line)).toEqual(fails(address, expect.stringMatching(hint)));
  });

  it('are those of a tls-client in a configuration file, named by options or by the environment', async () => {
    const config = await file(
      'foo.yml',
      `- node: {id: foo}\n- tls-client: {name: other}\n- tls-client:\n    name: cli\n    rootcas: ${directory}/ca.pem\n` +
        `    cert: ${directory}/client.crt\n    key: ${directory}/client.key\n`,
    );
    const address = await tlsServer(host, { requestCert: true, ca: [authority.pem] });
    expect(await version(address, `-c ${config} --tls-client cli`)).toEqual(works);
    const env = { RECEPTORCTL_CONFIG: config, RECEPTORCTL_TLSCLIENT: 'cli' };
    expect(await version(address, '', env)).toEqual(works);
    const { exit } = await runCaptured(['version'], { env: { ...env, RECEPTORCTL_SOCKET: address } });
    expect(exit).toBe(0);
    // A name that the file lacks is passed over, as the Python client does.
    expect(await version(address, `-c ${config} --tls-client nosuch`)).toEqual(
      fails(address, "the server's certificate is not signed by a trusted authority (--rootcas)"),
    );
  });

  it('may leave the name unchecked there', async () => {
    const config = await file(
      'skip.yml',
      `- tls-client:\n    name: cli\n    rootcas: ${directory}/ca.pem\n    insecureskipverify: true\n`,
    );
    const address = await tlsServer(await authority.sign({ name: 'elsewhere' }));
    expect(await version(address, `-c ${config} --tls-client cli`)).toEqual(works);
  });

  it.each([
    ['-c FILE/foo.yml', 'Must specify both config and tlsclient'],
    ['-c FILE/foo.yml --tls-client cli --key k', 'Cannot specify both config and rootcas, key, cert'],
  ])('of %s contradict each other', async (line, error) => {
    expect(await version('tls://localhost:1', line)).toEqual({
      exit: 1,
      error: `ERROR: ${error}`,
      hint: undefined,
    });
  });
});
