import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  type Backend,
  type BackendContext,
  type DiallingBackend,
  type ListeningBackend,
  MemoryNetwork,
  MeshError,
  type Session,
  silentLogger,
  systemClock,
  TcpDialler,
  TcpListener,
  UdpDialler,
  UdpListener,
  WebSocketDialler,
  WebSocketListener,
} from '../src/index.js';
import { Authority, type Pair } from './certificates.js';

/** A session with what came out of it. */
class End {
  readonly messages: Buffer[] = [];
  over: { readonly error: Error | undefined } | undefined;
  #changed: () => void = () => {};

  constructor(readonly session: Session) {
    session.open({
      message: (message) => {
        this.messages.push(Buffer.from(message));
        this.#changed();
      },
      drained() {},
      ended: (error) => {
        if (this.over) throw new Error('a session ended twice');
        this.over = { error };
        this.#changed();
      },
    });
  }

  async until(condition: (end: End) => boolean): Promise<this> {
    while (!condition(this))
      await new Promise<void>((resolve) => {
        this.#changed = resolve;
      });
    return this;
  }
}

interface Kind {
  readonly name: string;
  readonly reliable: boolean;
  listener(port: number): ListeningBackend;
  dialler(address: string): DiallingBackend;
}

let authority: Authority;
let pair: Pair;
beforeAll(async () => {
  authority = await Authority.create();
  pair = await authority.sign();
});

const host = '127.0.0.1';
let memory = new MemoryNetwork();
const kinds: Kind[] = [
  {
    name: 'memory',
    reliable: true,
    listener: (port) => memory.listener(`here:${port}`),
    dialler: (address) => memory.dialler('there', address),
  },
  {
    name: 'tcp',
    reliable: true,
    listener: (port) => new TcpListener({ port, host }),
    dialler: (address) => new TcpDialler({ address }),
  },
  {
    name: 'tcp with TLS',
    reliable: true,
    listener: (port) => new TcpListener({ port, host, tls: pair }),
    dialler: (address) => new TcpDialler({ address, tls: { ca: authority.pem } }),
  },
  {
    name: 'udp',
    reliable: false,
    listener: (port) => new UdpListener({ port, host }),
    dialler: (address) => new UdpDialler({ address }),
  },
  {
    name: 'websocket',
    reliable: true,
    listener: (port) => new WebSocketListener({ port, host }),
    dialler: (address) => new WebSocketDialler({ address: `ws://${address}/any/path` }),
  },
  {
    name: 'websocket with TLS',
    reliable: true,
    listener: (port) => new WebSocketListener({ port, host, tls: pair }),
    dialler: (address) => new WebSocketDialler({ address: `wss://${address}`, tls: { ca: authority.pem } }),
  },
];

const aborts: AbortController[] = [];
function context(): BackendContext & { readonly abort: AbortController } {
  const abort = new AbortController();
  aborts.push(abort);
  return { clock: systemClock, log: silentLogger, signal: abort.signal, abort };
}
afterEach(() => {
  for (const abort of aborts.splice(0)) abort.abort();
  memory = new MemoryNetwork();
});

/** A listener, and the sessions it accepts. */
async function listen(backend: ListeningBackend) {
  const accepted: End[] = [];
  let changed: () => void = () => {};
  const listening = context();
  const address = await backend.listen((session) => {
    accepted.push(new End(session));
    changed();
  }, listening);
  const next = async (count: number) => {
    while (accepted.length < count)
      await new Promise<void>((resolve) => {
        changed = resolve;
      });
    return accepted[count - 1] as End;
  };
  return { address, next, accepted, stop: () => listening.abort.abort() };
}

const numbered = (count: number, size: (i: number) => number) =>
  Array.from({ length: count }, (_, i) => Buffer.alloc(size(i), i + 1));

describe.each(kinds)('a backend over $name', (kind) => {
  /** Two ends of one session. A listener over UDP knows of it when the first message comes. */
  async function pairOfEnds() {
    const server = await listen(kind.listener(0));
    const near = new End(await kind.dialler(server.address).connect(context()));
    const hello = Buffer.from('hello');
    near.session.send(hello);
    const far = await (await server.next(1)).until((end) => end.messages.length === 1);
    far.messages.length = 0;
    return { server, near, far };
  }

  it('carries messages whole and in order, both ways, up to the largest', async () => {
    const { near, far } = await pairOfEnds();
    const messages = numbered(30, (i) => (i < 15 ? i + 1 : 60_000 - i));
    for (const message of messages) {
      near.session.send(message);
      far.session.send(message);
      if (!kind.reliable) await new Promise((resolve) => setImmediate(resolve));
    }
    for (const end of [near, far]) {
      await end.until((e) => e.messages.length === messages.length);
      expect(end.messages.map((message, i) => messages[i]?.equals(message))).not.toContain(false);
    }
    const largest = Buffer.alloc(near.session.maxMessage, 7);
    near.session.send(largest);
    await far.until((end) => end.messages.length === messages.length + 1);
    expect(far.messages.at(-1)?.equals(largest)).toBe(true);
    expect(near.session.backlog).toBe(0);
  });

  it('carries messages of all sizes next to one another', async () => {
    const { near, far } = await pairOfEnds();
    const sizes = [20_000, 50_000, 10, 4094, 4095, 30_000, 3000, 3000, 3000, 3000, 3000, 3000, 40_000, 1];
    const messages = numbered(sizes.length, (i) => sizes[i] ?? 1);
    for (const message of messages) {
      near.session.send(message);
      if (!kind.reliable) await new Promise((resolve) => setImmediate(resolve));
    }
    await far.until((end) => end.messages.length === messages.length);
    expect(far.messages.map((message, i) => messages[i]?.equals(message))).not.toContain(false);
  });

  it('sends what was given to it before it closes, and tells both ends once', async () => {
    const { near, far } = await pairOfEnds();
    near.session.send(Buffer.from('last'));
    near.session.close();
    near.session.close();
    near.session.send(Buffer.from('too late'));
    await far.until((end) => end.messages.length === 1);
    await near.until((end) => end.over !== undefined);
    if (kind.reliable) await far.until((end) => end.over !== undefined);
    expect(far.messages.map(String)).toEqual(['last']);
    expect(near.over?.error).toBeUndefined();
  });

  it('keeps sessions apart', async () => {
    const server = await listen(kind.listener(0));
    const clients = await Promise.all(
      ['a', 'b', 'c'].map(async (name) => {
        const end = new End(await kind.dialler(server.address).connect(context()));
        end.session.send(Buffer.from(name));
        return end;
      }),
    );
    await server.next(3);
    for (const end of server.accepted) {
      await end.until((e) => e.messages.length === 1);
      end.session.send(Buffer.from(`to ${end.messages[0]}`));
    }
    for (const [i, client] of clients.entries()) {
      await client.until((end) => end.messages.length === 1);
      expect(String(client.messages[0])).toBe(`to ${'abc'[i]}`);
    }
  });

  it('gives its address free when it is stopped', async () => {
    const server = await listen(kind.listener(0));
    const port = Number(server.address.split(':').at(-1));
    server.stop();
    for (let tries = 0; ; tries++) {
      try {
        const again = await listen(kind.listener(port));
        expect(again.address).toBe(server.address);
        return;
      } catch (error) {
        // The system takes a moment.
        if (tries > 100) throw error;
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
  });

  it('does not listen where somebody listens already', async () => {
    const { address } = await listen(kind.listener(0));
    const taken = kind.listener(Number(address.split(':').at(-1))).listen(() => {}, context());
    await expect(taken).rejects.toMatchObject({ code: 'RECEPTOR_MESH_BACKEND' });
  });

  it('says when it cannot connect, or when it is stopped before', async () => {
    const server = await listen(kind.listener(0));
    const stopped = context();
    stopped.abort.abort();
    await expect(kind.dialler(server.address).connect(stopped)).rejects.toBeInstanceOf(MeshError);
    server.stop();
    if (kind.name === 'udp') {
      // Nobody answers a datagram but the system, and only after one was sent.
      const end = new End(await kind.dialler('127.0.0.1:9').connect(context()));
      end.session.send(Buffer.from('x'));
      await end.until((e) => e.over !== undefined);
      expect(end.over?.error?.message).toContain('ECONNREFUSED');
      return;
    }
    await new Promise((resolve) => setImmediate(resolve));
    const refused = kind.dialler('127.0.0.1:1').connect(context());
    await expect(refused).rejects.toMatchObject({ code: 'RECEPTOR_MESH_BACKEND' });
  });
});

describe('a TCP listener', () => {
  it('survives junk, half frames, empty frames and sudden ends, and serves others meanwhile', async () => {
    const server = await listen(new TcpListener({ port: 0, host }));
    const port = Number(server.address.split(':')[1]);
    const junk: Socket[] = [];
    for (const bytes of ['ffff00', '0000', '00', '05000102', '0000000000000100', 'ff'.repeat(1000)]) {
      const socket = connect(port, host);
      await once(socket, 'connect');
      socket.write(Buffer.from(bytes, 'hex'));
      junk.push(socket);
    }
    const good = new End(await new TcpDialler({ address: server.address }).connect(context()));
    good.session.send(Buffer.from('still here'));
    const last = await server.next(7);
    expect(String((await last.until((end) => end.messages.length === 1)).messages[0])).toBe('still here');
    expect(server.accepted.filter((end) => end.over)).toEqual([]);
    for (const socket of junk) socket.resetAndDestroy();
    for (const end of server.accepted.slice(0, 6)) await end.until((e) => e.over !== undefined);
    expect(last.over).toBeUndefined();
  });

  it('knows how much a peer that does not read has been sent', async () => {
    const server = await listen(new TcpListener({ port: 0, host }));
    const socket = connect(Number(server.address.split(':')[1]), host);
    socket.pause();
    const end = await server.next(1);
    const message = Buffer.alloc(60_000);
    for (let sent = 0; sent < 32 * 1024 * 1024; sent += message.length) end.session.send(message);
    await new Promise((resolve) => setImmediate(resolve));
    expect(end.session.backlog).toBeGreaterThan(1024 * 1024);
    end.session.close();
    await end.until((e) => e.over !== undefined);
    socket.destroy();
  });
});

describe('a WebSocket listener', () => {
  const ask = async (address: string, path: string, headers: string): Promise<string> => {
    const socket = connect(Number(address.split(':')[1]), host);
    socket.write(
      `GET ${path} HTTP/1.1\r\nHost: ${address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
        `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n${headers}\r\n`,
    );
    const [answer] = (await once(socket, 'data')) as [Buffer];
    socket.destroy();
    return answer.toString();
  };
  const status = async (...parts: Parameters<typeof ask>) => (await ask(...parts)).split('\r\n')[0];

  it('answers on its path, with all below it when that ends in a slash', async () => {
    const mesh = await listen(new WebSocketListener({ port: 0, host, path: '/mesh' }));
    expect(await status(mesh.address, '/mesh?q=1', '')).toContain('101');
    expect(await status(mesh.address, '/mesh/', '')).toContain('404');
    const all = await listen(new WebSocketListener({ port: 0, host }));
    expect(await status(all.address, '/a/b', '')).toContain('101');
  });

  it('refuses an origin that is not its host', async () => {
    const { address } = await listen(new WebSocketListener({ port: 0, host }));
    expect(await status(address, '/', 'Origin: http://elsewhere.example\r\n')).toContain('403');
    expect(await status(address, '/', `Origin: http://${address}\r\n`)).toContain('101');
  });

  it('takes up neither protocols nor extensions that are offered', async () => {
    const { address } = await listen(new WebSocketListener({ port: 0, host }));
    const offer = 'Sec-WebSocket-Protocol: a, b\r\nSec-WebSocket-Extensions: permessage-deflate\r\n';
    const answer = await ask(address, '/', offer);
    expect(answer).toContain('101 Switching Protocols');
    expect(answer.toLowerCase()).not.toMatch(/sec-websocket-(protocol|extensions)/);
  });
});

describe('a WebSocket dialler', () => {
  it('asks as a Go node does, with the extra header', async () => {
    const { createServer } = await import('node:net');
    const server = createServer().listen(0, host);
    await once(server, 'listening');
    const address = `127.0.0.1:${(server.address() as { port: number }).port}`;
    const dialler = new WebSocketDialler({
      address: `ws://${address}/some/path?q=1`,
      extraHeader: 'X-Tok: a:b c',
    });
    const dialling = dialler.connect(context()).catch(() => {});
    const [socket] = (await once(server, 'connection')) as [Socket];
    const [request] = (await once(socket, 'data')) as [Buffer];
    const [line, ...headers] = request.toString().trim().split('\r\n');
    expect(line).toBe('GET /some/path?q=1 HTTP/1.1');
    const names = headers.map((header) => header.replace(/^(Sec-WebSocket-Key: ).*/, '$1')).sort();
    expect(names).toEqual(
      [
        `Host: ${address}`,
        'User-Agent: Go-http-client/1.1',
        'Connection: Upgrade',
        `Origin: http://${address}`,
        'Sec-WebSocket-Key: ',
        'Sec-WebSocket-Version: 13',
        'Upgrade: websocket',
        'X-Tok: a:b c',
      ].sort(),
    );
    socket.destroy();
    await dialling;
    server.close();
  });
});

describe('settings that cannot work', () => {
  it.each([
    [() => new TcpDialler({ address: 'nohost' }), 'address nohost: missing port in address'],
    [() => new UdpDialler({ address: 'a:b:7' }), 'address a:b:7: too many colons in address'],
    [() => new TcpDialler({ address: 'a:0' }), 'address 0: invalid port'],
    [() => new WebSocketDialler({ address: 'http://x' }), 'invalid address for Websocket: http://x'],
    [
      () => new WebSocketDialler({ address: 'ws://x', extraHeader: 'nocolon' }),
      'extra header must be in the form key:value',
    ],
  ] as [() => Backend, string][])('are refused when they are given: %s', (make, text) => {
    expect(make).toThrow(text);
  });
});
