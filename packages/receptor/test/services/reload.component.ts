import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ReceptorClient } from '@receptor/protocol';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { freePort } from '../../../../test/free-port.js';
import { parseArguments } from '../../src/config/arguments.js';
import { mapKey } from '../../src/config/map-form.js';
import { findSection } from '../../src/config/sections/index.js';
import { startDaemon } from '../../src/daemon.js';
import { createLogger } from '../../src/logging.js';

type Sections = readonly (readonly [name: string, settings: Readonly<Record<string, unknown>>])[];

/** The text of a file in each of its forms. JSON is YAML. */
const FORMS: Readonly<Record<string, (sections: Sections) => string>> = {
  list: (sections) => JSON.stringify(sections.map(([name, settings]) => ({ [name]: settings }))),
  map: (sections) => {
    const keys: Record<string, unknown> = { version: 2 };
    for (const [name, settings] of sections) {
      const section = findSection(name);
      if (!section) throw new Error(name);
      const key = mapKey(section);
      if (section.single) keys[key] = settings;
      else keys[key] = [...((keys[key] as unknown[]) ?? []), settings];
    }
    return JSON.stringify(keys);
  },
};

let directory: string;
let ends: (() => unknown)[];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'receptor-'));
  ends = [];
});
afterEach(async () => {
  for (const end of ends.reverse()) await end();
  rmSync(directory, { recursive: true });
});

interface Node {
  readonly client: ReceptorClient;
  /** Reloads the node with its links and these sections. */
  reload(...sections: Sections): Promise<unknown>;
}

async function node(id: string, form: string, fixed: Sections, ...sections: Sections): Promise<Node> {
  const file = join(directory, `${id}.yml`);
  const socket = join(directory, `${id}.sock`);
  const write = (more: Sections) =>
    writeFileSync(
      file,
      FORMS[form]?.([
        ['node', { id, datadir: directory }],
        ['control-service', { filename: socket }],
        ...fixed,
        ...more,
      ]) ?? '',
    );
  write(sections);
  const request = await parseArguments(['-c', file]);
  if (request.ask !== 'run') throw new Error(request.ask);
  expect(request.warnings).toEqual([]);
  const daemon = await startDaemon(
    request,
    createLogger({ level: 'error', format: 'text', sink: { write: () => true } }),
  );
  ends.push(() => daemon.close());
  const client = new ReceptorClient(socket);
  ends.push(() => client.close());
  return {
    client,
    reload: (...more) => {
      write(more);
      return client.reload();
    },
  };
}

async function mesh(form: string, alpha: Sections, beta: Sections): Promise<{ alpha: Node; beta: Node }> {
  const port = await freePort();
  const there = await node('beta', form, [['tcp-listener', { port, bindaddr: '127.0.0.1' }]], ...beta);
  const here = await node('alpha', form, [['tcp-peer', { address: `127.0.0.1:${port}` }]], ...alpha);
  await vi.waitFor(async () => expect((await here.client.status()).RoutingTable).toHaveProperty('beta'), {
    timeout: 20_000,
    interval: 20,
  });
  return { alpha: here, beta: there };
}

/** A server that answers each piece with its own name before it. */
async function answering(name: string, where?: string): Promise<string> {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (data) => socket.write(`${name} ${data}`));
  });
  if (where === undefined) server.listen(0, '127.0.0.1');
  else server.listen(where);
  await once(server, 'listening');
  ends.push(() => server.close());
  return where ?? `127.0.0.1:${(server.address() as { port: number }).port}`;
}

function dial(where: number | string): Socket {
  const socket = typeof where === 'number' ? connect(where, '127.0.0.1') : connect(where);
  socket.on('error', () => {});
  ends.push(() => socket.destroy());
  return socket;
}

/** Resolves when a connection is gone, however it ended. */
const gone = (socket: Socket) =>
  new Promise<string>((resolve) => socket.once('close', () => resolve('(closed)')));

/** What is answered to one piece. */
function ask(socket: Socket, word: string): Promise<string> {
  const answer = new Promise<string>((resolve) => socket.once('data', (data) => resolve(String(data))));
  socket.write(word);
  return Promise.race([answer, gone(socket)]);
}

/** A UDP server that answers with the port of the one who asks, which stays the same as long as the mapping does. */
async function udpTarget(): Promise<string> {
  const socket = createSocket('udp4');
  socket.on('message', (message, { port, address }) => socket.send(`${message} from ${port}`, port, address));
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  ends.push(() => socket.close());
  return `127.0.0.1:${socket.address().port}`;
}

/** Asks until there is an answer: a datagram may be lost, above all while nobody listens yet. */
async function askUdp(socket: UdpSocket, port: number, word: string): Promise<string> {
  const timer = setInterval(() => socket.send(word, port, '127.0.0.1'), 100);
  socket.send(word, port, '127.0.0.1');
  const [message] = (await once(socket, 'message')) as [Buffer];
  clearInterval(timer);
  return String(message);
}

const OK = { Success: true };
const advertised = async ({ client }: Node) =>
  ((await client.status()).Advertisements ?? [])
    .filter(({ NodeID }) => NodeID === 'beta')
    .map(({ Service }) => Service)
    .sort();

describe.each(Object.keys(FORMS))('a reload of services, in the %s form', (form) => {
  const tcpServer = (port: number, remoteservice: string) =>
    ['tcp-server', { port, bindaddr: '127.0.0.1', remotenode: 'beta', remoteservice }] as const;

  it('begins each kind of service, and ends it again', async () => {
    const [tcp, udp] = [await freePort(), await freePort()];
    const socket = join(directory, 'proxy.sock');
    const { alpha, beta } = await mesh(form, [], []);
    const unix = await answering('unix', join(directory, 'target.sock'));
    expect(
      await beta.reload(
        ['tcp-client', { service: 'tcp', address: await answering('tcp') }],
        ['udp-client', { service: 'udp', address: await udpTarget() }],
        ['unix-socket-client', { service: 'unix', filename: unix }],
        ['command-service', { service: 'cmd', command: 'cat' }],
      ),
    ).toEqual(OK);
    const commands = await freePort();
    expect(
      await alpha.reload(
        tcpServer(tcp, 'tcp'),
        tcpServer(commands, 'cmd'),
        ['udp-server', { port: udp, bindaddr: '127.0.0.1', remotenode: 'beta', remoteservice: 'udp' }],
        ['unix-socket-server', { filename: socket, remotenode: 'beta', remoteservice: 'unix' }],
      ),
    ).toEqual(OK);
    const [one, two, three] = [dial(tcp), dial(socket), dial(commands)];
    expect(await ask(one, 'a')).toBe('tcp a');
    expect(await ask(two, 'b')).toBe('unix b');
    expect(await ask(three, 'hello\n')).toContain('hello');
    const asking = createSocket('udp4');
    ends.push(() => asking.close());
    expect(await askUdp(asking, udp, 'c')).toMatch(/^c from \d+$/);
    await vi.waitFor(
      async () => expect(await advertised(alpha)).toEqual(['cmd', 'control', 'tcp', 'udp', 'unix']),
      { timeout: 20_000, interval: 50 },
    );

    const closed = [one, two, three].map(gone);
    expect(await alpha.reload()).toEqual(OK);
    await Promise.all(closed);
    expect(existsSync(socket)).toBe(false);
    for (const port of [tcp, commands])
      expect(await once(connect(port, '127.0.0.1'), 'error').then(([error]) => error)).toMatchObject({
        code: 'ECONNREFUSED',
      });
    // The port of the datagrams is free again.
    const other = createSocket('udp4');
    other.bind(udp, '127.0.0.1');
    await once(other, 'listening');
    other.close();
    expect(await beta.reload()).toEqual(OK);
    await vi.waitFor(async () => expect(await advertised(alpha)).toEqual(['control']), {
      timeout: 20_000,
      interval: 50,
    });
  });

  it('leaves what has not changed alone, with all that it carries', async () => {
    const [kept, changed, udp] = [await freePort(), await freePort(), await freePort()];
    const clients = [
      ['tcp-client', { service: 'one', address: await answering('one') }],
      ['tcp-client', { service: 'two', address: await answering('two') }],
      ['udp-client', { service: 'udp', address: await udpTarget() }],
    ] as const;
    const udpServer = [
      'udp-server',
      { port: udp, bindaddr: '127.0.0.1', remotenode: 'beta', remoteservice: 'udp' },
    ] as const;
    const { alpha, beta } = await mesh(
      form,
      [tcpServer(kept, 'one'), tcpServer(changed, 'one'), udpServer],
      clients,
    );
    const [open, cut] = [dial(kept), dial(changed)];
    expect(await ask(open, 'a')).toBe('one a');
    expect(await ask(cut, 'a')).toBe('one a');
    const asking = createSocket('udp4');
    ends.push(() => asking.close());
    const answer = await askUdp(asking, udp, 'd');

    const isCut = gone(cut);
    // Another order, another place, the same but for one.
    expect(await alpha.reload(udpServer, tcpServer(changed, 'two'), tcpServer(kept, 'one'))).toEqual(OK);
    await isCut;
    expect(await ask(dial(changed), 'b')).toBe('two b');
    expect(await ask(open, 'b')).toBe('one b');
    expect(await askUdp(asking, udp, 'd')).toBe(answer);

    const [first, , third] = clients;
    expect(await beta.reload(third, ['command-service', { service: 'cmd', command: 'cat' }], first)).toEqual(
      OK,
    );
    expect(await ask(open, 'c')).toBe('one c');
    expect(await askUdp(asking, udp, 'd')).toBe(answer);
    expect(await ask(dial(changed), 'c')).toBe('(closed)');
  });

  it('says what cannot be started, starts the rest, and tries that again the next time', async () => {
    const busy = createServer().listen(0, '127.0.0.1');
    await once(busy, 'listening');
    const taken = (busy.address() as { port: number }).port;
    const free = await freePort();
    const { alpha } = await mesh(
      form,
      [],
      [['tcp-client', { service: 'one', address: await answering('one') }]],
    );
    const wanted = [tcpServer(taken, 'one'), tcpServer(free, 'one')];
    expect(await alpha.reload(...wanted)).toEqual({
      Success: false,
      Error: `listen tcp 127.0.0.1:${taken}: bind: address already in use ERRORCODE 4`,
    });
    const open = dial(free);
    expect(await ask(open, 'a')).toBe('one a');
    busy.close();
    await once(busy, 'close');
    expect(await alpha.reload(...wanted)).toEqual(OK);
    expect(await ask(dial(taken), 'b')).toBe('one b');
    expect(await ask(open, 'b')).toBe('one b');
    expect(await alpha.reload(['tcp-client', { service: 'toolongname', address: 'a:1' }])).toMatchObject({
      Error: expect.stringMatching(/service name toolongname too long.* ERRORCODE 4$/),
    });
    expect(await ask(open, 'c')).toBe('one c');
  });
});
