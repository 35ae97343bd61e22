import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  MemoryNetwork,
  type MeshError,
  Netceptor,
  type NetceptorOptions,
  TlsClientProfile,
  TlsServerProfile,
} from '../src/index.js';
import { KnownPaths } from '../src/stream/known-paths.js';
import { decodeRemote, encodeRemote, openTransport } from '../src/stream/transport.js';
import { Authority } from './certificates.js';

let network: MemoryNetwork;
const nodes: Netceptor[] = [];
beforeEach(() => {
  network = new MemoryNetwork();
});
afterEach(async () => {
  await Promise.all(nodes.splice(0).map((node) => node.close()));
});

async function line(...ids: string[]): Promise<Netceptor[]> {
  return lineOf(ids.map((id) => ({ id })));
}
async function lineOf(options: NetceptorOptions[]): Promise<Netceptor[]> {
  const made = options.map((one) => new Netceptor(one));
  nodes.push(...made);
  for (const [i, node] of made.entries()) {
    await node.addBackend(network.listener(node.id));
    const before = made[i - 1];
    if (before) await node.addBackend(network.dialler(node.id, before.id));
  }
  for (const node of made)
    while (!made.every(({ id }) => node.isReachable(id))) await once(node, 'routesChanged');
  return made;
}
/** Reads a half to its end; iterating over the stream would take the other half along. */
async function readAll(stream: Duplex): Promise<Buffer> {
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  await once(stream, 'end');
  return Buffer.concat(chunks);
}
async function closed(stream: Duplex): Promise<void> {
  if (!stream.closed) await once(stream, 'close');
}
const errorOf = async (stream: Duplex) => ((await once(stream, 'error')) as [Error])[0].message;
const digest = (data: Buffer) => createHash('sha256').update(data).digest('hex');
const first = <T>(list: readonly T[]): T => list[0] as T;
const last = <T>(list: readonly T[]): T => list.at(-1) as T;

describe('a stream', () => {
  it('carries both halves to their ends, in any order', async () => {
    const made = await line('a', 'b', 'c');
    const callers: unknown[] = [];
    last(made).listen('talk', (stream, caller) => {
      callers.push(caller);
      stream.write('first ');
      void readAll(stream).then((said) => stream.end(`then ${said}`));
    });
    const stream = await first(made).dial('c', 'talk');
    expect(String(first(await once(stream, 'data')))).toBe('first ');
    stream.end('question');
    expect(String(await readAll(stream))).toBe('then question');
    expect(callers).toMatchObject([{ node: 'a' }]);
    await closed(stream);
  });

  it('carries 10 MB each way without a change', async () => {
    const made = await line('a', 'b', 'c');
    last(made).listen('echo', (stream) => stream.pipe(stream));
    const stream = await first(made).dial('c', 'echo');
    const data = randomBytes(10_000_000);
    stream.end(data);
    expect(digest(await readAll(stream))).toBe(digest(data));
  });

  it.each([
    ['as large as any link takes', undefined, 65_507],
    ['that are not cut on a first link of small ones', 1452, 1452],
  ])('travels in messages %s', async (_, wholeMessage, largest) => {
    const sizes: number[] = [];
    network.conditions = (_from, _to, message) => {
      sizes.push(message.length);
      return { delay: 0, lost: false };
    };
    const a = new Netceptor({ id: 'a' });
    const b = new Netceptor({ id: 'b' });
    nodes.push(a, b);
    await b.addBackend(network.listener('b'));
    const dialler = network.dialler('a', 'b');
    const connect: typeof dialler.connect = async (context) =>
      Object.assign(await dialler.connect(context), wholeMessage === undefined ? {} : { wholeMessage });
    await a.addBackend({ kind: 'dialler', address: 'b', connect });
    while (!a.isReachable('b')) await once(a, 'routesChanged');
    b.listen('echo', (stream) => stream.pipe(stream));
    const stream = await a.dial('b', 'echo');
    const data = randomBytes(2_000_000);
    stream.end(data);
    expect(digest(await readAll(stream))).toBe(digest(data));
    expect(Math.max(...sizes)).toBeLessThanOrEqual(largest);
    expect(Math.max(...sizes)).toBeGreaterThan(0.9 * largest);
  });

  it('leads to the own node as well, by its name or as localhost', async () => {
    const [node] = await line('a');
    node?.listen('svc', (stream) => stream.end('home'));
    for (const name of ['a', 'localhost', 'LOCALHOST']) {
      const stream = await node?.dial(name, 'svc');
      stream?.end();
      expect(String(await readAll(stream as Duplex))).toBe('home');
    }
  });

  it('waits for who reads slowly, and keeps no more than a window', async () => {
    const made = await line('a', 'b');
    const accepted = new Promise<Duplex>((resolve) => void last(made).listen('slow', resolve));
    const stream = await first(made).dial('b', 'slow');
    const reader = await accepted;
    const chunk = Buffer.alloc(1 << 20);
    let written = 0;
    for (let waits = 0; waits < 20; waits++) {
      for (; !stream.writableNeedDrain; written++) stream.write(chunk);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(written).toBeLessThan(30);
    const reading = readAll(reader);
    stream.end();
    expect((await reading).length).toBe(written * chunk.length);
  });

  it('that is given up on one side is an error on the other', async () => {
    const made = await line('a', 'b');
    const accepted: Duplex[] = [];
    last(made).listen('svc', (stream) => {
      accepted.push(stream);
      stream.write('x');
    });
    const stream = await first(made).dial('b', 'svc');
    await once(stream, 'data');
    const failing = errorOf(first(accepted));
    stream.destroy();
    expect(await failing).toMatch(/canceled by remote|Application error/);
    const another = await first(made).dial('b', 'svc');
    await once(another, 'data');
    const failing2 = errorOf(another);
    last(accepted).destroy();
    expect(await failing2).toMatch(/canceled by remote|Application error/);
  });

  it('that is given up from within any event is an error on the other at once', async () => {
    const [alpha, beta] = (await line('alpha', 'beta')) as [Netceptor, Netceptor];
    const failed = new Promise<Error>((resolve) => {
      beta.listen('failing', (stream) => void stream.resume().on('error', resolve));
    });
    const stream = await alpha.dial('beta', 'failing');
    stream.on('error', () => {}).write('x');
    // From there, its end is told before promises are settled.
    setImmediate(() => stream.destroy(new Error('given up')));
    expect(await failed).toMatchObject({ applicationCode: 499 });
  });

  it('does not hold on to anything once it is over', async () => {
    const made = await line('a', 'b');
    last(made).listen('svc', (stream) => stream.end('bye').resume());
    const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
    const before = timers();
    for (let i = 0; i < 100; i++) {
      const stream = await first(made).dial('b', 'svc');
      stream.end();
      await readAll(stream);
    }
    for (let tries = 0; timers() > before + 2 && tries < 100; tries++)
      await new Promise((resolve) => setTimeout(resolve, 50));
    expect(timers()).toBeLessThanOrEqual(before + 2);
  });
});

describe('a dial', () => {
  const codeOf = async (dial: Promise<unknown> | undefined) => {
    const error = (await dial?.then(
      () => undefined,
      (reason: unknown) => reason,
    )) as MeshError | undefined;
    return error && `${error.code}: ${error.message}`;
  };

  it('fails at once, and says why, where nothing can be reached', async () => {
    const made = await line('a', 'b', 'c');
    const a = first(made);
    expect(await codeOf(a.dial('c', 'nothing'))).toBe('RECEPTOR_MESH_SERVICE_UNKNOWN: service unknown');
    expect(await codeOf(a.dial('a', 'nothing'))).toBe(
      'RECEPTOR_MESH_SERVICE_UNKNOWN: INTERNAL_ERROR (local): service unknown',
    );
    expect(await codeOf(a.dial('nobody', 'svc'))).toBe(
      'RECEPTOR_MESH_NO_ROUTE: INTERNAL_ERROR (local): no route to node',
    );
    expect(await codeOf(a.dial('c', 'morethan8'))).toBe(
      'RECEPTOR_MESH_SERVICE_NAME: INTERNAL_ERROR (local): service name morethan8 too long',
    );
  });

  it('fails at once where a firewall refuses it', async () => {
    const made = await lineOf([
      { id: 'a' },
      { id: 'b', firewallRules: [{ action: 'reject', toService: 'svc' }] },
    ]);
    last(made).listen('svc', (stream) => stream.end());
    expect(await codeOf(first(made).dial('b', 'svc'))).toBe('RECEPTOR_MESH_BLOCKED: blocked by firewall');
  });

  it('can be cancelled, before and while it is under way', async () => {
    const made = await lineOf([
      { id: 'a' },
      { id: 'b', firewallRules: [{ action: 'drop', toService: 'svc' }] },
    ]);
    const signal = AbortSignal.abort();
    expect(await codeOf(first(made).dial('b', 'svc', { signal }))).toBe(
      'RECEPTOR_MESH_ABORTED: context canceled',
    );
    const controller = new AbortController();
    const dialling = codeOf(first(made).dial('b', 'svc', { signal: controller.signal }));
    setTimeout(() => controller.abort(), 20);
    expect(await dialling).toBe('RECEPTOR_MESH_ABORTED: context canceled');
  });

  it('ends when the node is closed', async () => {
    const made = await lineOf([
      { id: 'a' },
      { id: 'b', firewallRules: [{ action: 'drop', toService: 'svc' }] },
    ]);
    const dialling = codeOf(first(made).dial('b', 'svc'));
    await first(made).close();
    expect(await dialling).toMatch(/^RECEPTOR_MESH_/);
  });
});

describe('a listener', () => {
  it('that is closed accepts no more, lets streams go on, and then gives its name free', async () => {
    const made = await line('a', 'b');
    const [a, b] = [first(made), last(made)];
    const listener = b.listen('svc', (stream) => stream.pipe(stream));
    const stream = await a.dial('b', 'svc');
    stream.write('before');
    await once(stream, 'data');
    listener.close();
    expect(await errorOf(await a.dial('b', 'svc'))).toBe('Application error 0x1f4 (remote): Listener Closed');
    stream.end('after');
    expect(String(await readAll(stream))).toBe('after');
    await closed(stream);
    const free = () => {
      try {
        b.listen('svc', () => {}).destroy();
        return true;
      } catch {
        return false;
      }
    };
    for (let tries = 0; tries < 100 && !free(); tries++)
      await new Promise((resolve) => setTimeout(resolve, 50));
    expect(free()).toBe(true);
  });

  it('is tried with large packets once, and anew when the way to it is another', async () => {
    const made = await line('a', 'b', 'c');
    const [a, b] = made as [Netceptor, Netceptor];
    let served: Promise<void> | undefined;
    last(made).listen('svc', (stream) => {
      served = closed(stream.pipe(stream));
    });
    let large = 0;
    network.conditions = (_from, _to, message) => {
      if (message.length > 30_000) large++;
      return { delay: 0, lost: false };
    };
    const talk = async () => {
      large = 0;
      const stream = await a.dial('c', 'svc');
      for (let said = 0; said < 20; said++) {
        stream.write('x');
        await once(stream, 'data');
      }
      stream.end();
      await Promise.all([closed(stream.resume()), served]);
    };
    await talk();
    // One of either side, over two links.
    expect(large).toBe(4);
    await talk();
    expect(large).toBe(0);
    const vanished = once(a, 'nodeVanished');
    network.disconnect('b', 'c');
    await vanished;
    for (const [from, to] of [
      [a, 'c'],
      [b, 'c'],
      [last(made), 'a'],
    ] as const)
      while (!from.isReachable(to)) await once(from, 'routesChanged');
    await talk();
    expect(large).toBe(4);
  });

  it('that is destroyed ends its streams with an error', async () => {
    const made = await line('a', 'b');
    const listener = last(made).listen('svc', (stream) => stream.on('error', () => {}).write('x'));
    const stream = await first(made).dial('b', 'svc');
    await once(stream, 'data');
    const failing = errorOf(stream);
    listener.destroy();
    expect(await failing).toBe('Application error 0x1f4 (remote): Listener Closed');
  });

  it('refuses a caller whose first byte is not the one it should be', async () => {
    const made = await line('a', 'b');
    let served = 0;
    last(made).listen('svc', () => served++);
    const packets = first(made).openPacket();
    const clock = { now: () => performance.now(), schedule: timer };
    const endpoint = openTransport(packets, clock, new KnownPaths(() => false));
    const connection = await endpoint.connect(encodeRemote('b', 'svc'), {
      protocols: ['netceptor'],
      verifyPeer: () => {},
    });
    const stream = await connection.openStream();
    stream.on('error', () => {});
    stream.write(Buffer.from([7, 8, 9]));
    expect((await connection.closed).message).toBe('Application error 0x1f4 (remote): Read Data Error');
    expect(served).toBe(0);
    endpoint.close();
  });

  it('survives callers that send anything, or nothing more in the middle of the handshake', async () => {
    const made = await line('a', 'b');
    last(made).listen('svc', (stream) => stream.pipe(stream));
    const packets = first(made).openPacket();
    for (let i = 0; i < 300; i++) packets.send(randomBytes(1 + ((i * 37) % 1400)), 'b', 'svc');
    const recorded: Buffer[] = [];
    network.conditions = (from, _to, message) => {
      if (from === 'a' && message[0] === 0) recorded.push(Buffer.from(message.subarray(36)));
      return { delay: 0, lost: false };
    };
    (await first(made).dial('b', 'svc')).destroy();
    network.conditions = () => ({ delay: 0, lost: false });
    expect(recorded.length).toBeGreaterThan(2);
    for (const datagram of recorded) {
      packets.send(datagram, 'b', 'svc');
      for (let i = 0; i < 10; i++) {
        const changed = Buffer.from(datagram);
        changed[(i * 131) % changed.length] = i;
        packets.send(changed, 'b', 'svc');
      }
    }
    const stream = await first(made).dial('b', 'svc');
    stream.end('still works');
    expect(String(await readAll(stream))).toBe('still works');
  });
});

function timer(delay: number, fire: () => void): () => void {
  const handle = setTimeout(fire, delay);
  return () => clearTimeout(handle);
}

describe('TLS between our own nodes', () => {
  it('tells both sides who the other is, and refuses who is not', async () => {
    const authority = await Authority.create();
    const [forA, forB] = [await authority.sign({ nodeIds: ['a'] }), await authority.sign({ nodeIds: ['b'] })];
    const made = await line('a', 'b');
    const [a, b] = [first(made), last(made)];
    const tls = new TlsServerProfile({ ...forB, requireClientCert: true, clientCas: authority.pem });
    b.listen('svc', (stream) => stream.end('secret'), { tls });
    const rootCas = authority.pem;
    const stream = await a.dial('b', 'svc', { tls: new TlsClientProfile({ ...forA, rootCas }) });
    stream.end();
    expect(String(await readAll(stream))).toBe('secret');
    const refused = await a.dial('b', 'svc', { tls: new TlsClientProfile({ ...forB, rootCas }) });
    expect(await errorOf(refused)).toMatch(/CRYPTO_ERROR 0x12a \(remote\)/);
    const missing = await a.dial('b', 'svc', { tls: new TlsClientProfile({ rootCas }) });
    expect(await errorOf(missing)).toMatch(/CRYPTO_ERROR 0x174 \(remote\)/);
    await expect(a.dial('b', 'svc')).rejects.toMatchObject({ code: 'RECEPTOR_MESH_TLS' });
    b.listen('plain', (plain) => plain.end());
    const wanted = a.dial('b', 'plain', { tls: new TlsClientProfile({ ...forA, rootCas }) });
    await expect(wanted).rejects.toMatchObject({ code: 'RECEPTOR_MESH_TLS' });
  });
});

describe('an address of a service', () => {
  it.each([
    ['node', 'svc'],
    ['a:b', 'c:d'],
    ['', ''],
    ['7:x', '\u0000y'],
  ])('of node "%s" and service "%s" is read back', (node, service) => {
    expect(decodeRemote(encodeRemote(node, service))).toEqual({ node, service });
  });
});
