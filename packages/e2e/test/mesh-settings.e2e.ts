import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { type DaemonProcess, goReceptor, type Program, receptor, startDaemon } from '@receptor/e2e';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { freePort } from '../../../test/free-port.js';
import { hasRoutes, knowsServiceOf, Mesh, type MeshNode, SKIPPED } from './support/mesh.js';

let mesh: Mesh;
beforeEach(async () => {
  mesh = await Mesh.create();
});
afterEach(() => mesh.close());

/** Resolves when the log of a daemon has a line that matches. */
const logs = (daemon: DaemonProcess, text: string | RegExp, timeout = 20_000) =>
  vi.waitFor(() => expect(daemon.log()).toMatch(text), { timeout, interval: 50 });

const BOTH: [string, Program | undefined, Program | undefined][] = [
  ['ours to a Go node', receptor, goReceptor],
  ['a Go node to ours', goReceptor, receptor],
];

describe.skipIf(!goReceptor)(`in a mesh with Go nodes${SKIPPED}`, { timeout: 120_000 }, () => {
  test.each([
    ['TCP', 'tcp', ''],
    ['UDP', 'udp', ''],
    ['WebSocket', 'ws', 'ws://'],
  ])('a node of ours that ends is dropped at once by its neighbours over %s', async (_, kind, scheme) => {
    const [one, two] = [await freePort(), await freePort()];
    const dialled = await mesh.start('dialled', goReceptor, [{ [`${kind}-listener`]: { port: one } }]);
    const ours = await mesh.start('ours', receptor, [
      { [`${kind}-peer`]: { address: `${scheme}127.0.0.1:${one}` } },
      { [`${kind}-listener`]: { port: two } },
    ]);
    const dialling = await mesh.start('dialling', goReceptor, [
      { [`${kind}-peer`]: { address: `${scheme}127.0.0.1:${two}` } },
    ]);
    await hasRoutes(dialled, { ours: 'ours', dialling: 'ours' });
    await hasRoutes(dialling, { ours: 'ours', dialled: 'ours' });
    const start = Date.now();
    expect(await ours.daemon.stop()).toBe(0);
    await hasRoutes(dialled, {});
    await hasRoutes(dialling, {});
    // Nobody waited for the silence of 21 seconds.
    expect(Date.now() - start).toBeLessThan(20_000);
    for (const { daemon } of [dialled, dialling]) expect(daemon.log()).not.toContain('Timing out');
  });

  test('streams that we open and end leave no warning in the log of a Go node', async () => {
    const port = await freePort();
    const go = await mesh.start('go', goReceptor, [{ 'tcp-listener': { port } }]);
    const ours = await mesh.start('ours', receptor, [{ 'tcp-peer': { address: `127.0.0.1:${port}` } }]);
    await hasRoutes(ours, { go: 'go' });
    await hasRoutes(go, { ours: 'ours' });
    for (let count = 1; count <= 3; count++) {
      const through = ours.client.through('go');
      await through.status();
      through.close();
      await logs(go.daemon, new RegExp(`(Client disconnected from control service ours:[^]*){${count}}`));
    }
    // What came of the ends is with the Go node before the answer to this.
    expect(await go.client.ping('ours')).toMatchObject({ Success: true });
    expect(go.daemon.log()).not.toMatch(/unreachable/);
  });

  test('status says the same, field by field', async () => {
    const said: string[] = [];
    for (const program of [goReceptor, receptor]) {
      const own = await Mesh.create();
      try {
        const port = await freePort();
        const far = await own.start('far', goReceptor, [{ 'tcp-listener': { port, cost: 1.5 } }]);
        const near = await own.start('near', program, [
          { 'work-command': { worktype: 'other', command: 'true' } },
          { 'tcp-peer': { address: `127.0.0.1:${port}`, cost: 1.5 } },
        ]);
        await hasRoutes(near, { far: 'far' });
        await knowsServiceOf(near, 'near', 'far');
        await knowsServiceOf(far, 'near');
        // As it comes, so that the order of members and the way of writing numbers count too.
        const text = await rawStatus(near);
        const { Advertisements } = JSON.parse(text) as { Advertisements: { NodeID: string }[] };
        const sorted = [...Advertisements].sort((a, b) => a.NodeID.localeCompare(b.NodeID));
        said.push(
          text
            .replace(JSON.stringify(Advertisements), JSON.stringify(sorted))
            .replaceAll(
              /"Time":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)"/g,
              '"Time":"TIME"',
            )
            .replace(/"Version":"[^"]*"/, '"Version":"VERSION"'),
        );
      } finally {
        await own.close();
      }
    }
    expect(said[1]).toBe(said[0]);
    expect(Object.keys(JSON.parse(said[0] ?? ''))).toHaveLength(8);
  });

  test.each(BOTH)('extraheader: what %s sends first is what the other sends', async (_, dials, listens) => {
    const port = await freePort();
    const heads: string[] = [];
    // Hears what passes.
    const proxy = createServer((socket) => {
      const there = connect(port, '127.0.0.1');
      socket.once('data', (chunk) => heads.push(chunk.toString().split('\r\n\r\n')[0] ?? ''));
      for (const end of [socket, there]) end.on('error', () => {});
      socket.pipe(there).pipe(socket);
    });
    await once(proxy.listen(0, '127.0.0.1'), 'listening');
    const { port: heard } = proxy.address() as { port: number };
    const open = new Set<Socket>();
    proxy.on('connection', (socket) => open.add(socket));
    try {
      await mesh.start('listens', listens, [{ 'ws-listener': { port, path: '/mesh' } }]);
      const peer = {
        'ws-peer': { address: `ws://127.0.0.1:${heard}/mesh?a=b`, extraheader: 'X-Token: a:b c' },
      };
      const node = await mesh.start('dials', dials, [peer]);
      await hasRoutes(node, { listens: 'listens' });
      const head = heads[0]?.split('\r\n') ?? [];
      expect(head[0]).toBe('GET /mesh?a=b HTTP/1.1');
      expect(
        head
          .slice(1)
          .map((line) => line.replace(/^(Sec-WebSocket-Key:) .*/i, '$1'))
          .sort(),
      ).toEqual([
        'Connection: Upgrade',
        `Host: 127.0.0.1:${heard}`,
        `Origin: http://127.0.0.1:${heard}`,
        'Sec-WebSocket-Key:',
        'Sec-WebSocket-Version: 13',
        'Upgrade: websocket',
        'User-Agent: Go-http-client/1.1',
        'X-Token: a:b c',
      ]);
    } finally {
      proxy.close();
      for (const socket of open) socket.destroy();
    }
  });

  test.each(BOTH)(
    'nodecost: the cost of %s is that of the listener for this peer',
    async (_, dials, listens) => {
      const port = await freePort();
      const there = await mesh.start('listens', listens, [
        { 'tcp-listener': { port, cost: 3, nodecost: { dials: 2.5, somebody: 7 } } },
      ]);
      const here = await mesh.start('dials', dials, [
        { 'tcp-peer': { address: `127.0.0.1:${port}`, cost: 2.5 } },
      ]);
      await hasRoutes(here, { listens: 'listens' });
      for (const [node, peer] of [
        [here, 'listens'],
        [there, 'dials'],
      ] as const) {
        const { Connections, KnownConnectionCosts } = await node.client.status();
        expect(Connections).toEqual([{ NodeID: peer, Cost: 2.5 }]);
        expect(KnownConnectionCosts).toEqual({ dials: { listens: 2.5 }, listens: { dials: 2.5 } });
      }
      const wrong = await mesh.start('wrong', dials, [
        { 'tcp-peer': { address: `127.0.0.1:${port}`, cost: 2.5 } },
      ]);
      // Whoever sees it first refuses.
      await vi.waitFor(
        () =>
          expect(there.daemon.log() + wrong.daemon.log()).toMatch(
            /rejected connection with node (wrong|listens) because we disagree about the connection cost/,
          ),
        { timeout: 20_000, interval: 50 },
      );
    },
  );

  test.each(BOTH)('allowedpeers: %s is let in by its name only', async (_, dials, listens) => {
    const port = await freePort();
    const there = await mesh.start('listens', listens, [
      { 'tcp-listener': { port, allowedpeers: ['right', 'other'] } },
    ]);
    const peer = { 'tcp-peer': { address: `127.0.0.1:${port}`, allowedpeers: ['listens'] } };
    const wrong = await mesh.start('wrong', dials, [peer]);
    await logs(
      there.daemon,
      /rejected connection with node wrong because it is not in the allowed peers list/,
    );
    const right = await mesh.start('right', dials, [peer]);
    await hasRoutes(right, { listens: 'listens' });
    expect((await wrong.client.status()).Connections).toEqual([]);
    const picky = await mesh.start('other', dials, [
      { 'tcp-peer': { address: `127.0.0.1:${port}`, allowedpeers: ['somebody'] } },
    ]);
    await logs(
      picky.daemon,
      /rejected connection with node listens because it is not in the allowed peers list/,
    );
    expect((await picky.client.status()).Connections).toEqual([]);
  });

  test.each(BOTH)(
    'maxidleconnectiontimeout: %s falls silent, and is given up after that',
    async (_, stops, waits) => {
      const port = await freePort();
      const there = await mesh.start('waits', waits, [{ 'tcp-listener': { port } }], {
        maxidleconnectiontimeout: '23s',
      });
      const here = await mesh.start('stops', stops, [{ 'tcp-peer': { address: `127.0.0.1:${port}` } }]);
      await hasRoutes(there, { stops: 'stops' });
      await hasRoutes(here, { waits: 'waits' });
      process.kill(here.daemon.pid, 'SIGSTOP');
      try {
        await logs(there.daemon, 'Timing out connection stops, idle for the past 23s', 40_000);
        await hasRoutes(there, {});
      } finally {
        process.kill(here.daemon.pid, 'SIGCONT');
      }
      await hasRoutes(there, { stops: 'stops' });
    },
  );

  test.each([
    ['its file', false],
    ['its command line', true],
  ])('firewall rules of ours from %s, in the middle of two Go nodes', async (_, commandLine) => {
    const port = await freePort();
    const rules = [
      { Action: 'reject', FromNode: 'left', ToNode: '/r.*/', ToService: 'ping' },
      { action: 'drop', fromnode: '/x|right/', tonode: 'left', toservice: 'control' },
      { action: 'accept', fromnode: 'left' },
    ];
    const directory = mesh.file('m');
    const sections = [
      { 'log-level': 'debug' },
      { 'control-service': { service: 'control', filename: `${directory}/ctl.sock` } },
      { 'tcp-listener': { port } },
    ];
    const node = { id: 'middle', datadir: `${directory}/data` };
    const { mkdir } = await import('node:fs/promises');
    await mkdir(directory);
    const flags = Object.entries(node).map(([key, value]) => `${key}=${value}`);
    const daemon = await startDaemon({
      directory,
      nodeId: 'middle',
      program: commandLine
        ? {
            ...receptor,
            prefix: [...receptor.prefix, '--node', ...flags, `firewallrules=${JSON.stringify(rules)}`],
          }
        : receptor,
      allSections: commandLine ? sections : [{ node: { ...node, firewallrules: rules } }, ...sections],
    });
    try {
      const peer = [{ 'tcp-peer': { address: `127.0.0.1:${port}` } }];
      const left = await mesh.start('left', goReceptor, peer);
      const right = await mesh.start('right', goReceptor, peer);
      await hasRoutes(left, { middle: 'middle', right: 'middle' });
      await hasRoutes(right, { middle: 'middle', left: 'middle' });
      expect(await left.client.ping('right')).toEqual({ Success: false, Error: 'blocked by firewall' });
      expect(await left.client.ping('middle')).toMatchObject({ Success: true });
      expect(await right.client.ping('left')).toMatchObject({ Success: true });
      expect((await left.client.through('right').status()).NodeID).toBe('right');
      await expect(right.client.through('left').status()).rejects.toThrow(
        /timeout: no recent network activity/,
      );
    } finally {
      await daemon.kill();
    }
  });

  test('reload refuses with the same words and numbers', async () => {
    const replies: Record<string, unknown[]> = {};
    for (const [name, program] of [
      ['go', goReceptor],
      ['ours', receptor],
    ] as const) {
      const own = await Mesh.create();
      try {
        const port = await freePort();
        const node = await own.start('node', program, [{ 'tcp-listener': { port } }]);
        const peer = await own.start('peer', goReceptor, [{ 'tcp-peer': { address: `127.0.0.1:${port}` } }]);
        await hasRoutes(node, { peer: 'peer' });
        const file = own.file('node/receptor.yml');
        const before = await readFile(file, 'utf8');
        const change = (text: string) => writeFile(file, text);
        const replied: unknown[] = [];
        replies[name] = replied;
        for (const text of [
          before,
          `# a word\n${before}`,
          // Once it has refused an addition, a Go node does not notice this any more.
          before.replace(/- work-command:[^-]*/, ''),
          `${before}- work-command:\n    worktype: other\n    command: cat\n`,
          before.replace('command: cat', 'command: tac'),
          before.replace('level: debug', 'level: info'),
          `${before}- nosuch: {}\n`,
          `${before}- tcp-peer: localhost\n`,
          `${before}- udp-listener:\n    port: 1\n    cost: -1\n`,
          `${before}- tcp-peer:\n    address: "localhost:1"\n    bogus: 1\n`,
          before.replace(`port: ${port}`, `port: ${port}\n    tls: nosuch`),
          before,
        ]) {
          await change(text);
          // Where a problem stands in the file is ours to say.
          replied.push(
            JSON.parse(
              JSON.stringify(await node.client.reload())
                .replaceAll(/ \([^()]*receptor\.yml[^()]*\)/g, '')
                .replaceAll(own.file(''), 'DIR'),
            ),
          );
        }
        await hasRoutes(node, { peer: 'peer' });
        await hasRoutes(peer, { node: 'node' });
      } finally {
        await own.close();
      }
    }
    expect(replies.ours).toEqual(replies.go);
    expect(JSON.stringify(replies.go)).toMatch(/ERRORCODE 3.*ERRORCODE 4/s);
  });
});

/** The reply to `status` as it comes. */
async function rawStatus({ daemon }: MeshNode): Promise<string> {
  const socket = connect(daemon.socket);
  socket.end('status\n');
  let text = '';
  for await (const chunk of socket) text += chunk;
  return text.split('\n')[1] ?? '';
}
