import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../../../test/free-port.js';
import {
  type Backend,
  Netceptor,
  TcpDialler,
  TcpListener,
  TlsClientProfile,
  TlsServerProfile,
  UdpDialler,
  UdpListener,
  WebSocketDialler,
  WebSocketListener,
} from '../src/index.js';
import { Authority, type Pair } from './certificates.js';
import { GoNode, RECEPTOR_GO, SKIPPED } from './go-node.js';

const started: { stop?(): Promise<void>; close?(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of started.splice(0).reverse()) await (one.stop?.() ?? one.close?.());
});
function ourNode(id: string): Netceptor {
  const node = new Netceptor({ id });
  started.push(node);
  return node;
}
async function goNode(...args: Parameters<typeof GoNode.start>): Promise<GoNode> {
  const node = await GoNode.start(...args);
  started.push(node);
  return node;
}
async function reaches(node: Netceptor, ...others: string[]): Promise<void> {
  while (!others.every((other) => node.isReachable(other))) await once(node, 'routesChanged');
}

let authority: Authority;
let goPair: Pair;
let ourPair: Pair;
beforeAll(async () => {
  authority = await Authority.create();
  goPair = await authority.sign({ nodeIds: ['go'], algorithm: 'rsa' });
  ourPair = await authority.sign({ nodeIds: ['ours'] });
});
const files = () => ({
  'ca.pem': authority.pem,
  'cert.pem': goPair.cert,
  'key.pem': goPair.key,
});
const TLS_SECTIONS =
  '- tls-server:\n    name: srv\n    cert: DIR/cert.pem\n    key: DIR/key.pem\n    clientcas: DIR/ca.pem\n    requireclientcert: true\n' +
  '- tls-client:\n    name: cli\n    cert: DIR/cert.pem\n    key: DIR/key.pem\n    rootcas: DIR/ca.pem\n';
const serverProfile = () =>
  new TlsServerProfile({ ...ourPair, requireClientCert: true, clientCas: authority.pem });
const clientProfile = () => new TlsClientProfile({ ...ourPair, rootCas: authority.pem });

interface Way {
  readonly name: string;
  goListens(port: number): string;
  goDials(port: number): string;
  weListen(port: number): Backend;
  weDial(port: number): Backend;
}
const host = '127.0.0.1';
const ways: Way[] = [
  {
    name: 'TCP',
    goListens: (port) => `- tcp-listener:\n    port: ${port}\n    bindaddr: ${host}\n`,
    goDials: (port) => `- tcp-peer:\n    address: ${host}:${port}\n`,
    weListen: (port) => new TcpListener({ port, host }),
    weDial: (port) => new TcpDialler({ address: `${host}:${port}` }),
  },
  {
    name: 'TCP with TLS',
    goListens: (port) =>
      `${TLS_SECTIONS}- tcp-listener:\n    port: ${port}\n    bindaddr: ${host}\n    tls: srv\n`,
    goDials: (port) => `${TLS_SECTIONS}- tcp-peer:\n    address: localhost:${port}\n    tls: cli\n`,
    weListen: (port) => new TcpListener({ port, host, tls: serverProfile().listenerOptions() }),
    weDial: (port) => new TcpDialler({ address: `localhost:${port}`, tls: clientProfile().diallerOptions() }),
  },
  {
    name: 'UDP',
    goListens: (port) => `- udp-listener:\n    port: ${port}\n    bindaddr: ${host}\n`,
    goDials: (port) => `- udp-peer:\n    address: ${host}:${port}\n`,
    weListen: (port) => new UdpListener({ port, host }),
    weDial: (port) => new UdpDialler({ address: `${host}:${port}` }),
  },
  {
    name: 'WebSocket',
    goListens: (port) => `- ws-listener:\n    port: ${port}\n    bindaddr: ${host}\n`,
    goDials: (port) => `- ws-peer:\n    address: ws://${host}:${port}\n`,
    weListen: (port) => new WebSocketListener({ port, host }),
    weDial: (port) => new WebSocketDialler({ address: `ws://${host}:${port}` }),
  },
  {
    name: 'WebSocket with TLS',
    goListens: (port) =>
      `${TLS_SECTIONS}- ws-listener:\n    port: ${port}\n    bindaddr: ${host}\n    tls: srv\n`,
    goDials: (port) => `${TLS_SECTIONS}- ws-peer:\n    address: wss://localhost:${port}\n    tls: cli\n`,
    weListen: (port) => new WebSocketListener({ port, host, tls: serverProfile().listenerOptions() }),
    weDial: (port) =>
      new WebSocketDialler({ address: `wss://localhost:${port}`, tls: clientProfile().diallerOptions() }),
  },
];

const digest = (data: Buffer) => createHash('sha256').update(data).digest('hex');
/** Reads a half to its end; iterating over the stream would take the other half along. */
async function readAll(stream: Duplex): Promise<Buffer> {
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  stream.resume();
  await once(stream, 'end');
  return Buffer.concat(chunks);
}

/** Everything that a link between a node of ours and a Go node has to carry. */
async function expectFullCitizen(ours: Netceptor, go: GoNode): Promise<void> {
  await reaches(ours, 'go');
  const payload = randomBytes(3_000_000);
  ours.listen('echo', (stream) => stream.pipe(stream), { tags: { type: 'Echo' } });
  // A Go node does not carry half-close through to its side, so nothing is said before all was heard.
  ours.listen('sink', (stream) => void readAll(stream).then((data) => stream.end(digest(data))));

  const ping = await ours.ping('go');
  expect(ping).toMatchObject({ from: 'go' });
  expect(ping.error).toBeUndefined();
  expect(await go.command('ping ours')).toMatchObject({ Success: true, From: 'ours' });
  expect(await go.command('traceroute ours')).toMatchObject({ 0: { From: 'go' }, 1: { From: 'ours' } });
  const hops: string[] = [];
  for await (const { from } of ours.traceroute('go')) hops.push(from);
  expect(hops).toEqual(['ours', 'go']);

  const control = await ours.dial('go', 'control');
  control.write('status\n');
  let said = '';
  while (!said.includes('"NodeID":"go"')) {
    const [chunk] = (await once(control, 'data')) as [Buffer];
    said += chunk;
  }
  expect(said).toContain('Receptor Control, node go\n');
  control.end();

  const stream = await go.connect('ours', 'echo');
  stream.end(payload);
  expect(digest(await readAll(stream))).toBe(digest(payload));
  const up = await go.connect('ours', 'sink');
  up.end(payload);
  expect(String(await readAll(up))).toBe(digest(payload));

  if (!go.log.includes('Received service advertisement from ours'))
    await go.logged('service advertisement from ours');
  const status = await go.command('status');
  expect(status.RoutingTable).toEqual({ ours: 'ours' });
  expect(JSON.stringify(status.Advertisements)).toContain('"Service":"echo"');
  expect(go.exited).toBeUndefined();
}

describe.skipIf(!RECEPTOR_GO)(`a Go node as neighbour${SKIPPED}`, () => {
  describe.each(ways)('over $name', (way) => {
    it('is reached, and reaches us, when it listens', async () => {
      const port = await freePort();
      const go = await goNode('go', way.goListens(port), files());
      const ours = ourNode('ours');
      await ours.addBackend(way.weDial(port));
      await expectFullCitizen(ours, go);
    });

    it('is reached, and reaches us, when it dials', async () => {
      const port = await freePort();
      const ours = ourNode('ours');
      await ours.addBackend(way.weListen(port));
      const go = await goNode('go', way.goDials(port), files());
      await expectFullCitizen(ours, go);
    });
  });

  it('forgets us at once when we close, over UDP too', async () => {
    const port = await freePort();
    const go = await goNode('go', `- udp-listener:\n    port: ${port}\n    bindaddr: ${host}\n`);
    const ours = ourNode('ours');
    await ours.addBackend(new UdpDialler({ address: `${host}:${port}` }));
    await reaches(ours, 'go');
    await go.command('ping ours');
    await ours.close();
    await go.logged('remote node rejected the connection');
  });

  it('agrees about costs, and is refused when it does not', async () => {
    const port = await freePort();
    await goNode('go', `- tcp-listener:\n    port: ${port}\n    bindaddr: ${host}\n    cost: 2.5\n`);
    const wrong = ourNode('wrong');
    await wrong.addBackend(new TcpDialler({ address: `${host}:${port}`, redial: false }));
    const [down] = (await once(wrong, 'linkDown')) as [{ reason: string }];
    expect(down.reason).toMatch(/we disagree about the connection cost|rejected|closed|ECONNRESET/);
    const right = ourNode('right');
    await right.addBackend(new TcpDialler({ address: `${host}:${port}` }), { cost: 2.5 });
    await reaches(right, 'go');
    expect(right.status().routes.get('go')).toEqual({ nextHop: 'go', cost: 2.5 });
  });
});

describe.skipIf(!RECEPTOR_GO)(`mixed meshes${SKIPPED}`, () => {
  it('carry streams through ours in the middle of two Go nodes', async () => {
    const port = await freePort();
    const middle = ourNode('middle');
    await middle.addBackend(new TcpListener({ port, host }));
    const left = await goNode('left', `- tcp-peer:\n    address: ${host}:${port}\n`);
    await goNode('right', `- tcp-peer:\n    address: ${host}:${port}\n`);
    await reaches(middle, 'left', 'right');
    await left.logged('   right via middle');
    expect(await left.command('traceroute right')).toMatchObject({
      0: { From: 'left' },
      1: { From: 'middle' },
      2: { From: 'right' },
    });
    const stream = await left.connect('right', 'control');
    stream.write('status\n');
    let said = '';
    for await (const chunk of stream) {
      said += chunk;
      if (said.includes('"NodeID":"right"')) break;
    }
    expect(said).toContain('"NodeID":"right"');
  });

  it('carry streams through a Go node in the middle of two of ours', async () => {
    const port = await freePort();
    await goNode('go', `- tcp-listener:\n    port: ${port}\n    bindaddr: ${host}\n`);
    const [a, b] = [ourNode('a'), ourNode('b')];
    await a.addBackend(new TcpDialler({ address: `${host}:${port}` }));
    await b.addBackend(new TcpDialler({ address: `${host}:${port}` }));
    await reaches(a, 'go', 'b');
    await reaches(b, 'go', 'a');
    b.listen('echo', (stream) => stream.pipe(stream));
    const payload = randomBytes(5_000_000);
    const stream = await a.dial('b', 'echo');
    stream.end(payload);
    expect(digest(await readAll(stream))).toBe(digest(payload));
    const hops: string[] = [];
    for await (const { from } of a.traceroute('b')) hops.push(from);
    expect(hops).toEqual(['a', 'go', 'b']);
    await expect(a.dial('b', 'nothing')).rejects.toMatchObject({ code: 'RECEPTOR_MESH_SERVICE_UNKNOWN' });
  });
});

describe.skipIf(!RECEPTOR_GO)(`TLS on our services, for Go nodes${SKIPPED}`, () => {
  const client = (name: string, more = '') =>
    `- tls-client:\n    name: ${name}\n    cert: DIR/cert.pem\n    key: DIR/key.pem\n    rootcas: DIR/ca.pem\n${more}`;

  it('is verified on both sides by node ID', async () => {
    const port = await freePort();
    const go = await goNode(
      'go',
      client('right') +
        client('pinned', `    pinnedservercert: ["${'00'.repeat(32)}"]\n`) +
        `- tcp-listener:\n    port: ${port}\n    bindaddr: ${host}\n`,
      files(),
    );
    const ours = ourNode('ours');
    await ours.addBackend(new TcpDialler({ address: `${host}:${port}` }));
    await reaches(ours, 'go');
    await go.logged('   ours via ours');
    ours.listen('secret', (stream) => stream.end('known to us'), { tls: serverProfile() });
    const wrong = await authority.sign({ nodeIds: ['somebody'] });
    ours.listen('wrong', (stream) => stream.end(), {
      tls: new TlsServerProfile({ ...wrong, clientCas: authority.pem }),
    });
    const stream = await go.connect('ours', 'secret right');
    expect(String(await readAll(stream))).toBe('known to us');
    await expect(go.connect('ours', 'wrong right')).rejects.toThrow(
      'x509: certificate is valid for Receptor node ID somebody, not ours',
    );
    await expect(go.connect('ours', 'secret pinned')).rejects.toThrow('pinned fingerprint');
    await expect(go.connect('ours', 'secret')).rejects.toThrow('insecure connection to secure service');
  });

  it('refuses a Go node that shows the certificate of another', async () => {
    const port = await freePort();
    const go = await goNode(
      'other',
      `- tls-client:\n    name: stolen\n    cert: DIR/cert.pem\n    key: DIR/key.pem\n    rootcas: DIR/ca.pem\n` +
        `    skipreceptornamescheck: true\n- tcp-listener:\n    port: ${port}\n    bindaddr: ${host}\n`,
      files(),
    );
    const ours = ourNode('ours');
    await ours.addBackend(new TcpDialler({ address: `${host}:${port}` }));
    await reaches(ours, 'other');
    await go.logged('   ours via ours');
    let served = 0;
    ours.listen('secret', () => served++, { tls: serverProfile() });
    const stream = await go.connect('ours', 'secret stolen').catch(() => undefined);
    if (stream) expect(String(await readAll(stream))).not.toContain('known');
    expect(served).toBe(0);
  });
});

describe.skipIf(!RECEPTOR_GO)(`TLS on services of Go nodes${SKIPPED}`, () => {
  async function withControlTls(server: string) {
    const port = await freePort();
    await goNode(
      'go',
      `- tls-server:\n    name: ctl\n    cert: DIR/cert.pem\n    key: DIR/key.pem\n${server}` +
        `- control-service:\n    service: tlsctl\n    filename: DIR/tls.sock\n    tls: ctl\n` +
        `- tcp-listener:\n    port: ${port}\n    bindaddr: ${host}\n`,
      files(),
    );
    const ours = ourNode('ours');
    await ours.addBackend(new TcpDialler({ address: `${host}:${port}` }));
    await reaches(ours, 'go');
    return ours;
  }
  const greeting = async (stream: Duplex) => {
    const [chunk] = (await once(stream, 'data')) as [Buffer];
    stream.destroy();
    return chunk.toString();
  };

  it('is verified by node ID, and refused for another, for a stranger, and without TLS', async () => {
    const ours = await withControlTls('');
    const stream = await ours.dial('go', 'tlsctl', { tls: new TlsClientProfile({ rootCas: authority.pem }) });
    expect(await greeting(stream)).toBe('Receptor Control, node go\n');
    await expect(ours.dial('go', 'tlsctl')).rejects.toMatchObject({
      code: 'RECEPTOR_MESH_TLS',
      message: 'CRYPTO_ERROR 0x12a (local): insecure connection to secure service',
    });
    const stranger = await Authority.create();
    const unknown = ours.dial('go', 'tlsctl', { tls: new TlsClientProfile({ rootCas: stranger.pem }) });
    await expect(unknown).rejects.toThrow('x509: certificate signed by unknown authority');
    const pinned = new TlsClientProfile({ rootCas: authority.pem, pinnedServerCert: ['00'.repeat(32)] });
    await expect(ours.dial('go', 'tlsctl', { tls: pinned })).rejects.toThrow(
      'RVF failed: presented certificate does not match any pinned fingerprint',
    );
    const skipping = new TlsClientProfile({ insecureSkipVerify: true });
    expect(await greeting(await ours.dial('go', 'tlsctl', { tls: skipping }))).toContain('node go');
  });

  it('takes our certificate when it is for our node, and no other', async () => {
    const ours = await withControlTls('    requireclientcert: true\n    clientcas: DIR/ca.pem\n');
    expect(await greeting(await ours.dial('go', 'tlsctl', { tls: clientProfile() }))).toContain('node go');
    const other = new TlsClientProfile({
      ...(await authority.sign({ nodeIds: ['somebody'] })),
      rootCas: authority.pem,
    });
    const refused = async (tls: TlsClientProfile) => {
      const stream = await ours.dial('go', 'tlsctl', { tls });
      const [error] = (await once(stream, 'error')) as [Error];
      return error.message;
    };
    expect(await refused(other)).toMatch(/CRYPTO_ERROR 0x12a \(remote\)/);
    expect(await refused(new TlsClientProfile({ rootCas: authority.pem }))).toMatch(
      /CRYPTO_ERROR 0x1(74|2a) \(remote\)/,
    );
  });
});
