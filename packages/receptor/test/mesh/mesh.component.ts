import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { ReceptorClient } from '@receptor/protocol';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { freePort } from '../../../../test/free-port.js';
import { type RunningDaemon, runDaemon } from '../control/running-daemon.js';
import { Authority, CertificateFiles } from '../tls/certificate-files.js';

const files = new CertificateFiles();
beforeAll(async () => {
  const authority = await Authority.create();
  files.write('ca.crt', authority.pem);
  for (const id of ['alpha', 'beta', 'gamma']) await files.pair(id, authority, { nodeIds: [id] });
});
afterAll(() => rmSync(files.directory, { recursive: true }));

const nodes: RunningDaemon[] = [];
const clients: ReceptorClient[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  for (const node of nodes.splice(0).reverse()) await node.end();
});

async function start(id: string, sections: string): Promise<RunningDaemon & { client: ReceptorClient }> {
  const tls = ['server', 'client'].map(
    (side) =>
      `- tls-${side}: {name: ${side}, cert: ${files.file(`${id}.crt`)}, key: ${files.file(`${id}.key`)}, ` +
      `${side === 'server' ? 'requireclientcert: true, clientcas' : 'rootcas'}: ${files.file('ca.crt')}}\n`,
  );
  const control = sections.includes('control-service') ? '' : '- control-service: {filename: DIR/foo.sock}\n';
  const node = await runDaemon(`${tls.join('')}${control}${sections}\n`, undefined, id);
  nodes.push(node);
  const client = new ReceptorClient(node.socket);
  clients.push(client);
  return { ...node, client };
}

const reaches = ({ client }: { client: ReceptorClient }, ...ids: string[]) =>
  vi.waitFor(
    async () => {
      const { RoutingTable = {} } = await client.status();
      expect(Object.keys(RoutingTable).sort()).toEqual(ids.sort());
    },
    { timeout: 20_000, interval: 20 },
  );

const hasIPv6 = Object.values(networkInterfaces()).some((each) =>
  each?.some(({ address }) => address === '::1'),
);

describe('a listener without an address', () => {
  it.skipIf(!hasIPv6).each([
    ['tcp', ''],
    ['udp', ''],
    ['ws', 'ws://'],
  ])('of %s is reached by IPv4 and by IPv6', async (kind, scheme) => {
    const port = await freePort();
    const alpha = await start('alpha', `- ${kind}-listener: {port: ${port}}`);
    await start('beta', `- ${kind}-peer: "${scheme}127.0.0.1:${port}"`);
    await start('gamma', `- ${kind}-peer: "${scheme}[::1]:${port}"`);
    await reaches(alpha, 'beta', 'gamma');
    expect(alpha.log.join('')).toMatch(new RegExp(`Listening on \\w+ \\[::\\]:${port}`));
  });

  it('of udp has an address of IPv4 when it is given one', async () => {
    const port = await freePort();
    const alpha = await start('alpha', `- udp-listener: {port: ${port}, bindaddr: 127.0.0.1}`);
    await start('beta', `- udp-peer: "localhost:${port}"`);
    await reaches(alpha, 'beta');
  });
});

describe('two daemons are linked', () => {
  it.each([
    ['TCP', (port: number) => [`tcp-listener: {port: ${port}}`, `tcp-peer: {address: "localhost:${port}"}`]],
    [
      'TCP with TLS',
      (port: number) => [
        `tcp-listener: {port: ${port}, tls: server}`,
        `tcp-peer: {address: "localhost:${port}", tls: client}`,
      ],
    ],
    ['UDP', (port: number) => [`udp-listener: {port: ${port}}`, `udp-peer: {address: "localhost:${port}"}`]],
    [
      'WebSocket',
      (port: number) => [
        `ws-listener: {port: ${port}, path: /mesh}`,
        `ws-peer: {address: "ws://localhost:${port}/mesh", extraheader: "X-Any:thing"}`,
      ],
    ],
    [
      'WebSocket with TLS',
      (port: number) => [
        `ws-listener: {port: ${port}, tls: server}`,
        `ws-peer: {address: "wss://localhost:${port}", tls: client}`,
      ],
    ],
  ])('by %s, and each reaches the control service of the other', async (_, sections) => {
    const [listens, dials] = sections(await freePort());
    const alpha = await start('alpha', `- ${listens}\n- work-command: {worktype: cat, command: cat}`);
    const beta = await start('beta', `- ${dials}`);
    await Promise.all([reaches(alpha, 'beta'), reaches(beta, 'alpha')]);
    for (const [near, far] of [
      [alpha, 'beta'],
      [beta, 'alpha'],
    ] as const) {
      expect(await near.client.ping(far)).toMatchObject({ Success: true, From: far });
      const hops = Object.values(await near.client.traceroute(far));
      expect(hops.map(({ From }) => From)).toEqual([near.daemon.nodeId, far]);
      const stream = await near.client.connectService(far, 'control');
      stream.end();
      let text = '';
      for await (const chunk of stream) text += chunk;
      expect(text).toBe(`Receptor Control, node ${far}\n`);
    }
  });
});

describe('a node in the middle', () => {
  it('carries a payload and its results between the ends, byte for byte', async () => {
    const port = await freePort();
    const beta = await start('beta', `- tcp-listener: {port: ${port}}`);
    const peer = `- tcp-peer: {address: "localhost:${port}"}\n`;
    const alpha = await start('alpha', peer);
    const gamma = await start('gamma', `${peer}- work-command: {worktype: cat, command: cat}`);
    await Promise.all([reaches(alpha, 'beta', 'gamma'), reaches(gamma, 'alpha', 'beta')]);

    const payload = randomBytes(8 * 1024 * 1024);
    const through = new ReceptorClient(() => alpha.client.connectService('gamma', 'control'));
    clients.push(through);
    const { unitid } = await through.submitWork({ workType: 'cat', payload });
    const hash = createHash('sha256');
    for await (const chunk of through.results(unitid)) hash.update(chunk);
    expect(hash.digest('hex')).toBe(createHash('sha256').update(payload).digest('hex'));
    await through.releaseWork(unitid);

    const status = await alpha.client.status();
    expect(status.Connections).toEqual([{ NodeID: 'beta', Cost: 1 }]);
    expect(status.RoutingTable).toEqual({ beta: 'beta', gamma: 'beta' });
    expect(status.KnownConnectionCosts).toEqual({
      alpha: { beta: 1 },
      beta: { alpha: 1, gamma: 1 },
      gamma: { beta: 1 },
    });
    const advertisement = status.Advertisements?.find(({ NodeID }) => NodeID === 'gamma');
    expect(advertisement).toMatchObject({
      Service: 'control',
      ConnType: 1,
      Tags: { type: 'Control Service' },
      WorkCommands: [{ WorkType: 'cat', Secure: false }],
    });
    expect(Math.abs(Date.parse(advertisement?.Time ?? '') - Date.now())).toBeLessThan(120_000);

    // It tells its neighbours that it goes, and they do not wait for its silence.
    await beta.daemon.close();
    await Promise.all([reaches(alpha), reaches(gamma)]);
    expect(await alpha.client.ping('gamma')).toEqual({ Success: false, Error: 'no route to node' });
  });
});

describe('a control service with TLS on the mesh', () => {
  it('takes whoever shows the certificate of the node that calls, and shows its own', async () => {
    const port = await freePort();
    const alpha = await start(
      'alpha',
      `- tcp-listener: {port: ${port}}\n- control-service: {filename: DIR/foo.sock, tls: server}`,
    );
    const beta = await start('beta', `- tcp-peer: {address: "localhost:${port}"}`);
    await reaches(beta, 'alpha');
    const stream = await beta.client.connectService('alpha', 'control', { tls: 'client' });
    stream.end('ping localhost\n');
    let text = '';
    for await (const chunk of stream) text += chunk;
    expect(text).toMatch(/^Receptor Control, node alpha\n\{"From":"alpha","Success":true,/);
    await expect(beta.client.connectService('alpha', 'control')).rejects.toThrow(
      'CRYPTO_ERROR 0x12a (local): insecure connection to secure service',
    );
    await expect(beta.client.connectService('alpha', 'control', { tls: 'nope' })).rejects.toThrow(
      'unknown TLS config nope',
    );
    await vi.waitFor(
      async () => {
        const { Advertisements } = await beta.client.status();
        expect(Advertisements?.find(({ NodeID }) => NodeID === 'alpha')?.ConnType).toBe(2);
      },
      { timeout: 20_000, interval: 20 },
    );
    // To its own services too, under both of its names.
    for (const name of ['alpha', 'localhost']) {
      const own = await alpha.client.connectService(name, 'control', { tls: 'client' });
      own.end();
      await own.resume();
    }
  });
});

describe('the settings of a link', () => {
  it('costs are told, and must be the same at both ends', async () => {
    const port = await freePort();
    const alpha = await start('alpha', `- tcp-listener: {port: ${port}, cost: 1.5, nodecost: {beta: 2.5}}`);
    const beta = await start('beta', `- tcp-peer: {address: "localhost:${port}", cost: 2.5}`);
    await Promise.all([reaches(alpha, 'beta'), reaches(beta, 'alpha')]);
    expect((await beta.client.status()).Connections).toEqual([{ NodeID: 'alpha', Cost: 2.5 }]);
  });

  it('peers that are not allowed are turned away', async () => {
    const port = await freePort();
    const alpha = await start('alpha', `- tcp-listener: {port: ${port}, allowedpeers: [gamma]}`);
    const peer = `- tcp-peer: {address: "localhost:${port}"}`;
    const beta = await start('beta', peer);
    const gamma = await start('gamma', peer);
    await Promise.all([reaches(alpha, 'gamma'), reaches(gamma, 'alpha')]);
    expect((await beta.client.status()).Connections).toEqual([]);
  });

  it('firewall rules are in force', async () => {
    const port = await freePort();
    const rules = '[{action: reject, fromnode: "/b.*/", toservice: control}]';
    const alpha = await start('alpha', `- tcp-listener: {port: ${port}}`);
    await alpha.daemon.close();
    nodes.pop();
    const strict = await runDaemonWithRules(port, rules);
    const beta = await start('beta', `- tcp-peer: {address: "localhost:${port}"}`);
    await reaches(beta, 'alpha');
    expect(await beta.client.ping('alpha')).toMatchObject({ Success: true });
    await expect(beta.client.connectService('alpha', 'control')).rejects.toThrow('blocked by firewall');
    expect(strict.log.join('')).not.toContain('Client connected');
  });
});

async function runDaemonWithRules(port: number, rules: string): Promise<RunningDaemon> {
  const { mkdtempSync, writeFileSync } = await import('node:fs');
  const { tmpdir } = await import('node:os');
  const { join } = await import('node:path');
  const { parseArguments } = await import('../../src/config/arguments.js');
  const { startDaemon } = await import('../../src/daemon.js');
  const { createLogger } = await import('../../src/logging.js');
  const directory = mkdtempSync(join(tmpdir(), 'receptor-'));
  const file = join(directory, 'a.yml');
  writeFileSync(
    file,
    `- node: {id: alpha, datadir: ${directory}, firewallrules: ${rules}}\n- tcp-listener: {port: ${port}}\n- control-service: {filename: ${directory}/s}\n`,
  );
  const request = await parseArguments(['-c', file]);
  if (request.ask !== 'run') throw new Error(request.ask);
  const log: string[] = [];
  const daemon = await startDaemon(
    request,
    createLogger({ level: 'debug', format: 'text', sink: { write: (line) => log.push(line) } }),
  );
  const end = async () => {
    await daemon.close();
    rmSync(directory, { recursive: true });
  };
  const node = { daemon, directory, socket: `${directory}/s`, tcp: '', log, end };
  nodes.push(node);
  return node;
}

describe('what is wrong is said at the start', () => {
  it.each([
    ['tcp-listener: {port: 99999}', 'listen tcp: address 99999: invalid port'],
    ['ws-listener: {port: -1}', 'listen tcp: address -1: invalid port'],
    ['udp-listener: {port: 70000}', 'address 70000: invalid port'],
    ['tcp-listener: {port: 0, bindaddr: 192.0.2.1}', 'listen tcp 192.0.2.1:0: bind: '],
    ['udp-listener: {port: 0, bindaddr: 192.0.2.1}', 'listen udp 192.0.2.1:0: bind: '],
    ['tcp-peer: localhost', 'address localhost: missing port in address'],
    ['ws-peer: "ws://[::1"', "missing ']' in host"],
  ])('%s: %s', async (section, text) => {
    await expect(start('alpha', `- ${section}`)).rejects.toThrow(text);
  });

  it('a port that is taken, in the words of Go', async () => {
    const server = createServer();
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const { port } = server.address() as { port: number };
    for (const kind of ['tcp', 'ws'])
      await expect(
        start('alpha', `- ${kind}-listener: {port: ${port}, bindaddr: 127.0.0.1}`),
      ).rejects.toThrow(`listen tcp 127.0.0.1:${port}: bind: address already in use`);
    await new Promise((resolve) => server.close(resolve));
  });

  it('a firewall rule whose expression cannot be read', async () => {
    const port = await freePort();
    await expect(runDaemonWithRules(port, '[{action: drop, fromnode: "/[/"}]')).rejects.toThrow(
      'error in rule 0: invalid regex in fromnode',
    );
  });
});

describe('the log', () => {
  it('says where a node listens and whom it dials, in the words of Go', async () => {
    const [tcp, ws, udp] = [await freePort(), await freePort(), await freePort()];
    const alpha = await start(
      'alpha',
      `- tcp-listener: {port: ${tcp}}\n- ws-listener: {port: ${ws}, bindaddr: 127.0.0.1, path: /x}\n- udp-listener: {port: ${udp}, bindaddr: 127.0.0.1}\n- tcp-peer: {address: "localhost:1", redial: false}`,
    );
    const lines = alpha.log.map((line) => line.replace(/^(\w+) \S+ \S+ /, '$1 ').trimEnd());
    expect(lines).toEqual(
      expect.arrayContaining([
        expect.stringMatching(`^DEBUG Listening on TCP (\\[::\\]|0\\.0\\.0\\.0):${tcp}$`),
        `DEBUG Listening on Websocket 127.0.0.1:${ws} path /x`,
        `DEBUG Listening on UDP 127.0.0.1:${udp}`,
        'DEBUG Running TCP peer connection localhost:1',
        'INFO Running control service control',
        'INFO Initialization complete',
      ]),
    );
    await vi.waitFor(() => expect(alpha.log.join('')).toMatch(/ERROR .* Backend connection failed: /));
  });
});

describe('of two nodes with one ID', () => {
  it('the one that started later leaves the mesh, and its daemon knows', async () => {
    const [port, other] = [await freePort(), await freePort()];
    const beta = await start('beta', `- tcp-listener: {port: ${port}}`);
    const gamma = await start(
      'gamma',
      `- tcp-listener: {port: ${other}}\n- tcp-peer: {address: "localhost:${port}"}`,
    );
    const first = await start('alpha', `- tcp-peer: {address: "localhost:${port}"}`);
    await reaches(gamma, 'alpha', 'beta');
    const second = await start('alpha', `- tcp-peer: {address: "localhost:${other}"}`);
    // Within one second, chance decides which of them was later.
    const [left, stays] = await Promise.race([
      first.daemon.superseded.then(() => [first, second] as const),
      second.daemon.superseded.then(() => [second, first] as const),
    ]);
    expect(left.log.join('')).toMatch(/ERROR .* We are a duplicate node with ID alpha and epoch [0-9]+\./);
    await reaches(beta, 'alpha', 'gamma');
    expect(stays.log.join('')).not.toContain('We are a duplicate node');
  });
});
