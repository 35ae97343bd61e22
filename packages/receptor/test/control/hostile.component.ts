import { existsSync, readFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { duplexPair } from 'node:stream';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { ControlServer } from '../../src/control/server.js';
import { Client, reached, submit } from './client.js';
import { CONTROL, type RunningDaemon, runDaemon, WORK } from './running-daemon.js';

let node: RunningDaemon;
beforeAll(async () => {
  node = await runDaemon(CONTROL + WORK);
});
afterAll(() => node.end());

/** The daemon is well, for another client. */
async function expectWell(): Promise<void> {
  const client = await Client.greeted(node.socket);
  expect(await client.ask('ping localhost')).toContain('"Success":true');
  client.vanish();
}

describe('whatever a client sends', () => {
  const words = fc.constantFrom(
    ...[
      'work',
      'submit',
      'status',
      'results',
      'cancel',
      'release',
      'force-release',
      'list',
      'foo',
      'localhost',
    ],
    ...[
      'ping',
      'traceroute',
      'connect',
      'control',
      'reload',
      'cat',
      '../foo',
      '.',
      '',
      '-1',
      '1e99',
      '{',
      '\u0000',
    ],
  );
  const members = fc.dictionary(
    fc.constantFrom(
      ...[
        'command',
        'subcommand',
        'node',
        'worktype',
        'unitid',
        'startpos',
        'requested_fields',
        'target',
        'service',
      ],
      ...['tls', 'tlsclient', 'ttl', 'signwork', 'signature', '__proto__', 'toString'],
    ),
    fc.oneof(fc.jsonValue(), words),
  );
  const line = fc.oneof(
    fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
    fc.array(words, { maxLength: 6 }).map((list) => Buffer.from(list.join(' '))),
    members.map((object) => Buffer.from(JSON.stringify(object))),
    members.map((object) =>
      Buffer.from(JSON.stringify({ command: 'work', subcommand: 'status', ...object })),
    ),
    members.map((object) => Buffer.from(JSON.stringify({ ...object, command: 'status' }))),
    fc.json().map((text) => Buffer.from(`{"command":${text}`)),
  );

  it('gets whole lines for an answer and an end, and harms nobody else', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(line, { maxLength: 5 }), fc.boolean(), async (lines, tcp) => {
        const client = await Client.greeted(tcp ? node.tcp : node.socket);
        for (const each of lines) client.send(Buffer.concat([each, Buffer.from('\n')]));
        client.endInput();
        const answer = (await client.rest()).toString();
        expect(answer === '' || answer.endsWith('\n')).toBe(true);
      }),
      { numRuns: 300 },
    );
    await expectWell();
  });

  it('gets one error for each line that is no command', async () => {
    const client = await Client.greeted(node.socket);
    client.send(Buffer.from([0, 255, 254, 10, 1, 2, 3, 10]));
    expect(await client.line()).toBe('ERROR: Unknown command\n');
    expect(await client.line()).toBe('ERROR: Unknown command\n');
    expect(await client.ask('{"command":"status","requested_fields":null}')).toMatch(
      /^ERROR: requested_fields/,
    );
    for (const id of ['../foo', '..', '.', '/etc', 'a/b', '%2e', ''])
      for (const verb of ['status', 'cancel', 'release', 'force-release', 'results', 'list'])
        expect(
          await client.ask(JSON.stringify({ command: 'work', subcommand: verb, unitid: id, startpos: 0 })),
        ).toBe(`ERROR: unknown work unit ${id}\n`);
    client.vanish();
  });

  it('of 10 MB without a newline is refused with an error, and takes no memory', async () => {
    const piece = Buffer.alloc(1024 * 1024, 'x');
    for (const address of [node.socket, node.tcp]) {
      const client = await Client.greeted(address);
      for (let count = 0; count < 10; count++) client.send(piece);
      expect(await client.line()).toBe(`ERROR: command line is longer than ${4 * 1024 * 1024} bytes\n`);
      client.endInput();
      expect((await client.rest()).length).toBe(0);
    }
    expect(node.daemon.control.heldBytes).toBe(0);
    await expectWell();
  });

  it('may be a long line within the limit', async () => {
    const client = await Client.greeted(node.socket);
    expect(await client.ask(`ping ${'x'.repeat(4_000_000)}`)).toBe(
      '{"Error":"no route to node","Success":false}\n',
    );
    client.vanish();
  });
});

describe('500 clients at once', () => {
  it('are all served, and leave nothing behind', async () => {
    const clients = await Promise.all(
      Array.from({ length: 500 }, (_, number) => Client.greeted(number % 2 ? node.tcp : node.socket)),
    );
    const replies = await Promise.all(clients.map((client) => client.ask('work list')));
    expect(new Set(replies.map((reply) => reply.startsWith('{')))).toEqual(new Set([true]));
    for (const client of clients) client.vanish();
    await vi.waitFor(() => expect(node.daemon.control.sessions).toBe(0));
  });
});

describe('a client that vanishes in mid-payload', () => {
  const DETAIL = 'Error reading input data: the client vanished before the end of its input';

  async function vanishes(address: string, how: (client: Client) => void): Promise<string> {
    const client = await Client.connect(address);
    await client.line();
    const created = await client.ask('work submit foo cat');
    client.send('half a pay');
    const id = /with ID (\w+)\./.exec(created)?.[1] ?? '';
    // The payload has another name until it is whole.
    const stdin = `${node.daemon.workceptor.directory}/${id}/stdin.new`;
    await vi.waitFor(() => expect(readFileSync(stdin, 'utf8')).toBe('half a pay'));
    how(client);
    const reply = await reached(node.socket, id, 'Failed');
    expect(existsSync(`${node.daemon.workceptor.directory}/${id}/stdout`)).toBe(false);
    return reply;
  }

  it('on a Unix socket fails the unit, which is not run', async () => {
    expect(await vanishes(node.socket, (client) => client.vanish())).toContain(`"Detail":"${DETAIL}"`);
  });

  it('with the reply unread fails the unit too', async () => {
    const client = await Client.connect(node.socket);
    client.socket.pause();
    client.send('work submit foo cat\nhalf a pay');
    const unit = await vi.waitFor(() => {
      const found = Object.entries(node.daemon.workceptor.list()).find(([, { State }]) => State === 0);
      if (!found) throw new Error('not there yet');
      return found[0];
    });
    client.vanish();
    expect(await reached(node.socket, unit, 'Failed')).toContain(DETAIL);
  });

  it('with a reset on TCP fails the unit, which is not run', async () => {
    expect(await vanishes(node.tcp, (client) => client.socket.resetAndDestroy())).toContain(DETAIL);
  });

  it('is told from one that closes its sending side and waits, on both', async () => {
    for (const address of [node.socket, node.tcp]) {
      const client = await Client.greeted(address);
      await client.ask('work submit foo cat');
      client.send('a whole payload');
      client.endInput();
      expect(await client.line()).toContain('"result":"Job Started"');
    }
  });

  it('leaves half a line that is run as Go runs it, with nobody to hear the reply', async () => {
    const client = await Client.greeted(node.socket);
    client.send('ping fo');
    client.vanish();
    await expectWell();
  });
});

describe('a client that does not read', () => {
  it('stops the unit’s results from being read, and holds no memory', async () => {
    const size = 64 * 1024 * 1024;
    const id = await submit(node.socket, 'cat', Buffer.alloc(size, 'y'));
    await reached(node.socket, id, 'Succeeded');
    const before = process.memoryUsage();
    const client = await Client.greeted(node.socket);
    client.send(`work results ${id}\n`);
    await client.line();
    client.socket.pause();
    for (let count = 0; count < 20; count++) await expectWell();
    const after = process.memoryUsage();
    expect(after.arrayBuffers + after.external - before.arrayBuffers - before.external).toBeLessThan(
      16 * 1024 * 1024,
    );
    client.vanish();
    await vi.waitFor(() => expect(node.daemon.control.sessions).toBe(0));
  });

  it('and vanishes while a silent unit’s results are awaited leaves nothing behind', async () => {
    const id = await submit(node.socket, 'sleeper');
    await reached(node.socket, id, 'Running');
    const half = await Client.greeted(node.socket);
    await half.ask(`work results ${id}`);
    half.endInput();
    const gone = await Client.greeted(node.socket);
    await gone.ask(`work results ${id}`);
    gone.vanish();
    await vi.waitFor(() => expect(node.daemon.control.sessions).toBe(1));
    const client = await Client.greeted(node.socket);
    expect(await client.ask(`work release ${id}`)).toBe(`{"released":"${id}"}\n`);
    client.vanish();
    expect((await half.rest()).length).toBe(0);
    await vi.waitFor(() => expect(node.daemon.control.sessions).toBe(0));
  });

  it('stops its own commands only', async () => {
    const client = await Client.greeted(node.socket);
    client.socket.pause();
    client.send('status\n'.repeat(100_000));
    for (let count = 0; count < 20; count++) await expectWell();
    client.socket.resume();
    for (let count = 0; count < 100_000; count++) {
      const line = await client.line();
      if (!line.startsWith('{"Advertisements"')) throw new Error(`reply ${count}: ${line}`);
    }
    client.vanish();
  });
});

describe('limits', () => {
  let closeServer: (() => Promise<void>) | undefined;
  afterEach(() => closeServer?.());

  /** A control server with limits of its own, on TCP. */
  async function serve(limits: ConstructorParameters<typeof ControlServer>[0]['limits']) {
    const control = new ControlServer({
      nodeId: 'foo',
      log: node.daemon.control.log,
      commands: ({ name }) => `${name}\n`,
      ...(limits && { limits }),
    });
    const server = createServer({ allowHalfOpen: true }, (socket: Socket) =>
      control.serve(socket, 'tcp', 'test'),
    );
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    closeServer = () => {
      control.close();
      return new Promise((resolve) => server.close(() => resolve()));
    };
    return { address: `127.0.0.1:${(server.address() as { port: number }).port}`, control };
  }

  it('half a line and then silence ends in an error', async () => {
    const { address } = await serve({ unfinishedLineMs: 50 });
    const client = await Client.greeted(address);
    client.send('sta');
    expect(await client.line()).toBe('ERROR: command line not finished within 0.05 seconds\n');
    client.endInput();
    expect((await client.rest()).length).toBe(0);
  });

  it('half a line and then silence ends in a cut where the client just stays, and harms nobody else', async () => {
    const { address, control } = await serve({ unfinishedLineMs: 50, lingerMs: 30 });
    const other = await Client.greeted(address);
    const client = await Client.greeted(address);
    client.send('{"command":');
    expect(await client.line()).toBe('ERROR: command line not finished within 0.05 seconds\n');
    await vi.waitFor(() => expect(control.sessions).toBe(1));
    expect(control.heldBytes).toBe(0);
    expect(await other.ask('works')).toBe('works\n');
  });

  it('a line that comes byte by byte ends in an error too: more bytes do not set the clock back', async () => {
    const { address, control } = await serve({ unfinishedLineMs: 100 });
    const client = await Client.greeted(address);
    const drip = setInterval(() => client.send('x'), 10);
    expect(await client.line()).toBe('ERROR: command line not finished within 0.1 seconds\n');
    clearInterval(drip);
    client.endInput();
    expect((await client.rest()).length).toBe(0);
    expect(control.heldBytes).toBe(0);
  });

  it('a crowd on TCP shuts out nobody on the Unix socket, whether with connections or with long lines', async () => {
    const { address, control } = await serve({ connections: 1, allLinesBytes: 1000 });
    const hog = await Client.greeted(address);
    hog.send('x'.repeat(900));
    await vi.waitFor(() => expect(control.heldBytes).toBeGreaterThanOrEqual(900));
    const other = await Client.greeted(address);
    expect(await other.line()).toContain('too many connections');
    const [near, far] = duplexPair();
    control.serve(far, 'unix', '@');
    near.write('y'.repeat(450));
    near.end(`${'y'.repeat(450)}\n`);
    const chunks: Buffer[] = [];
    for await (const chunk of near) chunks.push(chunk);
    expect(Buffer.concat(chunks).toString()).toBe(`Receptor Control, node foo\n${'y'.repeat(900)}\n`);
  });

  it('long lines that are too many together are refused, each with an error', async () => {
    const { address, control } = await serve({ allLinesBytes: 1000 });
    const [first, second] = [await Client.greeted(address), await Client.greeted(address)];
    first.send('x'.repeat(900));
    await vi.waitFor(() => expect(control.heldBytes).toBeGreaterThanOrEqual(900));
    second.send('x'.repeat(900));
    expect(await second.line()).toBe('ERROR: too many long command lines at once\n');
    expect(await first.ask('')).toBe(`${'x'.repeat(900)}\n`);
    expect(control.heldBytes).toBe(0);
  });

  it('silence between lines has no limit, and a finished line ends the wait', async () => {
    const { address } = await serve({ unfinishedLineMs: 50 });
    const client = await Client.greeted(address);
    client.send('on');
    expect(await client.ask('e')).toBe('one\n');
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(await client.ask('two')).toBe('two\n');
  });

  it('one client too many is greeted and told why it has to go, and the next is served when one has left', async () => {
    const { address, control } = await serve({ connections: 2 });
    const [first, second] = [await Client.greeted(address), await Client.greeted(address)];
    const third = await Client.greeted(address);
    expect(await third.line()).toBe('ERROR: too many connections to the control service (limit 2)\n');
    third.endInput();
    expect((await third.rest()).length).toBe(0);
    expect(await second.ask('works')).toBe('works\n');
    first.vanish();
    await vi.waitFor(() => expect(control.sessions).toBe(1));
    expect(await (await Client.greeted(address)).ask('again')).toBe('again\n');
  });

  it('a refused client that keeps the connection is cut off', async () => {
    const { address, control } = await serve({ lineBytes: 10, lingerMs: 30 });
    const client = await Client.greeted(address);
    expect(await client.ask('far too long a line')).toBe('ERROR: command line is longer than 10 bytes\n');
    await vi.waitFor(() => expect(control.sessions).toBe(0));
  });

  it('a program adds a command, which may come with any stream', async () => {
    const { control } = await serve({});
    control.addCommand('greet', (line) => (line.form === 'text' ? `hello ${line.parameters}\n` : '{}\n'));
    const [near, far] = duplexPair();
    control.serve(far, 'mesh', 'bar');
    near.end('greet you\n{"command":"greet"}\n');
    const chunks: Buffer[] = [];
    for await (const chunk of near) chunks.push(chunk);
    expect(Buffer.concat(chunks).toString()).toBe('Receptor Control, node foo\nhello you\n{}\n');
  });
});
