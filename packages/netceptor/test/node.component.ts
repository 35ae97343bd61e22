import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  type LinkDownEvent,
  MemoryNetwork,
  MeshError,
  Netceptor,
  type NetceptorOptions,
  type PingResult,
} from '../src/index.js';
import { VirtualClock } from '../src/simulation/virtual-clock.js';
import { decodeData } from '../src/wire/data.js';
import { decodeUnreachable } from '../src/wire/unreachable.js';
import { RawPeer } from './raw-peer.js';

let clock: VirtualClock;
let network: MemoryNetwork;
const nodes: Netceptor[] = [];
beforeEach(() => {
  clock = new VirtualClock();
  network = new MemoryNetwork();
});
afterEach(async () => {
  const closing = nodes.splice(0).map((node) => node.close());
  await clock.advance(5000);
  await Promise.all(closing);
});

const logged: string[] = [];
const log = {
  error: (text: string) => void logged.push(`ERROR ${text}`),
  warning: (text: string) => void logged.push(`WARNING ${text}`),
  info: (text: string) => void logged.push(`INFO ${text}`),
  debug() {},
};

async function node(id: string, options: Partial<NetceptorOptions> = {}): Promise<Netceptor> {
  const made = new Netceptor({ id, clock, log, ...options });
  nodes.push(made);
  await made.addBackend(network.listener(id));
  return made;
}
async function line(...ids: string[]): Promise<Netceptor[]> {
  const made: Netceptor[] = [];
  for (const id of ids) made.push(await node(id));
  for (const [i, one] of made.entries())
    if (i > 0) await one.addBackend(network.dialler(one.id, ids[i - 1] ?? ''));
  await clock.advance(3000);
  return made;
}
const [A, B, C] = [0, 1, 2];
async function ended(peer: Netceptor): Promise<LinkDownEvent[]> {
  const events: LinkDownEvent[] = [];
  peer.on('linkDown', (event) => events.push(event));
  return events;
}
async function result<T>(promise: Promise<T>, time = 100): Promise<T> {
  await clock.advance(time);
  return promise;
}

describe('a link', () => {
  it('is given up after 11 introductions that nobody answered', async () => {
    await node('foo');
    const peer = await RawPeer.connect(network, clock, 'raw', 'foo');
    await clock.advance(9500);
    expect(peer.messages).toHaveLength(10);
    expect(peer.ended).toBe(false);
    await clock.advance(2000);
    expect(peer.messages).toHaveLength(11);
    expect(peer.ended).toBe(true);
  });

  it('is established by an update, and told about with the peer listed', async () => {
    const foo = await node('foo');
    const peer = await RawPeer.establish(network, clock, 'raw', 'foo');
    expect(foo.status().connections).toEqual([{ nodeId: 'raw', cost: 1 }]);
    expect(foo.isReachable('raw')).toBe(true);
    expect(peer.updates.at(-1)?.connections).toEqual(new Map([['raw', 1]]));
    expect(peer.updates.map(({ sequence }) => sequence)).toEqual([1n, 2n, 3n]);
  });

  it('is told of every 10 seconds', async () => {
    await node('foo');
    const peer = await RawPeer.establish(network, clock, 'raw', 'foo');
    const before = peer.messages.length;
    for (let i = 0; i < 3; i++) {
      await clock.advance(10_000);
      peer.update({ connections: new Map([['foo', 1]]) });
    }
    expect(peer.messages.length - before).toBe(3);
  });

  it('ends 21 to 26 seconds after the last message', async () => {
    const foo = await node('foo');
    const events = await ended(foo);
    const peer = await RawPeer.establish(network, clock, 'raw', 'foo');
    await clock.advance(20_500);
    expect(events).toEqual([]);
    await clock.advance(6000);
    expect(events).toMatchObject([{ peer: 'raw', kind: 'idle', reason: 'idle for the past 21s' }]);
    await clock.advance(100);
    expect(peer.ended).toBe(true);
    expect(foo.isReachable('raw')).toBe(false);
  });

  it('sends a reject before it refuses a peer', async () => {
    await node('foo');
    const peer = await RawPeer.connect(network, clock, 'foo', 'foo');
    peer.update({ forwardingNode: 'foo' });
    await clock.advance(100);
    expect(peer.messages.at(-1)?.toString()).toBe('\u0003[]');
    expect(peer.ended).toBe(true);
    expect(logged.at(-1)).toContain('it tried to connect using our own node ID');
  });

  it('that is only left over makes room for its peer within 3 seconds', async () => {
    const foo = await node('foo');
    const events = await ended(foo);
    await RawPeer.establish(network, clock, 'raw', 'foo');
    const back = await RawPeer.connect(network, clock, 'raw', 'foo');
    for (let i = 0; i < 3; i++) {
      back.update({ epoch: 2000n });
      await clock.advance(1000);
    }
    expect(events).toMatchObject([{ peer: 'raw', kind: 'stale' }]);
    expect(back.ended).toBe(false);
    expect(foo.status().connections).toEqual([{ nodeId: 'raw', cost: 1 }]);
  });

  it('that lives keeps another node with the ID of its peer out', async () => {
    const foo = await node('foo');
    const events = await ended(foo);
    const peer = await RawPeer.establish(network, clock, 'raw', 'foo');
    const other = await RawPeer.connect(network, clock, 'raw', 'foo');
    other.update({ epoch: 2000n });
    await clock.advance(100);
    expect(decodeData(peer.messages.at(-1) ?? Buffer.alloc(0))).toMatchObject({ toService: 'ping' });
    peer.data('foo', 'ping', 'unreach');
    await clock.advance(500);
    other.update({ epoch: 2000n });
    await clock.advance(100);
    expect(other.ended).toBe(true);
    expect(events).toEqual([]);
    expect(peer.ended).toBe(false);
  });

  it('comes up again after it broke, soon', async () => {
    const [a] = await line('a', 'b');
    network.disconnect('a', 'b');
    await clock.advance(10);
    expect(a?.isReachable('b')).toBe(false);
    await clock.advance(1000);
    expect(a?.isReachable('b')).toBe(true);
  });

  it('is not tried again without redial', async () => {
    const a = await node('a');
    await a.addBackend(network.dialler('a', 'nobody', { redial: false }));
    await clock.advance(1000);
    expect(logged.at(-1)).toBe('ERROR Backend connection failed: connection refused: nobody');
    // What is left is what runs as long as the node: updates, forgetting, advertisements, the check for silence.
    expect(clock.pending).toBe(4);
  });

  it.each([
    [{ cost: 0 }, 'connection cost must be positive'],
    [{ cost: -1 }, 'connection cost must be positive'],
    [{ nodeCost: { x: 0 } }, 'connection cost must be positive for x'],
  ])('cannot have the costs %j', async (settings, text) => {
    const a = await node('a');
    await expect(a.addBackend(network.listener('other'), settings)).rejects.toThrow(text);
  });
});

describe('three nodes in a line', () => {
  it('reach one another', async () => {
    const [a, b, c] = await line('a', 'b', 'c');
    expect(a?.status().routes).toEqual(
      new Map([
        ['b', { nextHop: 'b', cost: 1 }],
        ['c', { nextHop: 'b', cost: 2 }],
      ]),
    );
    expect(await result(a?.ping('c') as Promise<PingResult>)).toMatchObject({ from: 'c' });
    expect(await result(c?.ping('localhost') as Promise<PingResult>)).toMatchObject({ from: 'c' });
    expect(b?.status().knownConnections.get('b')).toEqual(
      new Map([
        ['a', 1],
        ['c', 1],
      ]),
    );
  });

  it('are traced hop by hop, and a node that is unknown once', async () => {
    const [a] = await line('a', 'b', 'c');
    const trace = async (target: string) => {
      const hops: PingResult[] = [];
      const tracing = (async () => {
        for await (const hop of a?.traceroute(target) ?? []) hops.push(hop);
      })();
      await clock.advance(500);
      await tracing;
      return hops.map(({ from, error }) => (error ? `${from}: ${error.message}` : from));
    };
    expect(await trace('c')).toEqual(['a', 'b', 'c']);
    expect(await trace('nobody')).toEqual(['a', 'a: no route to node']);
  });

  it('tell when a service is unknown, on the way or at home', async () => {
    const [a] = await line('a', 'b', 'c');
    const packets = a?.openPacket();
    const notices: unknown[] = [];
    packets?.on('unreachable', (notice) => notices.push(notice));
    packets?.send(Buffer.from('x'), 'c', 'nothing');
    await clock.advance(10);
    expect(notices).toMatchObject([
      { reportedBy: 'c', toNode: 'c', toService: 'nothing', problem: 'service unknown' },
    ]);
    expect(() => packets?.send(Buffer.from('x'), 'a', 'nothing')).toThrow('service unknown');
    expect(() => packets?.send(Buffer.from('x'), 'zz', 'nothing')).toThrow('no route to node');
    expect(() => packets?.send(Buffer.from('x'), 'c', 'morethan8')).toThrow(
      'service name morethan8 too long',
    );
    expect(() => packets?.send(Buffer.alloc(70_000), 'c', 'svc')).toThrow(MeshError);
  });

  it('carry packets between services', async () => {
    const made = await line('a', 'b', 'c');
    const [from, to] = [made[A]?.openPacket('one'), made[C]?.openPacket('two')];
    const got: string[] = [];
    to?.on('packet', ({ payload, fromNode, fromService, hops }) => {
      got.push(`${payload} ${fromNode}:${fromService} ${hops}`);
      to.send(Buffer.from('back'), fromNode, fromService);
    });
    from?.on('packet', ({ payload }) => got.push(String(payload)));
    from?.send(Buffer.from('there'), 'c', 'two');
    await clock.advance(10);
    expect(got).toEqual(['there a:one 28', 'back']);
    expect(made[B]?.status().packets).toMatchObject({ forwarded: 2 });
    expect(() => made[A]?.openPacket('one')).toThrow('service one is already listening');
    expect(() => made[A]?.openPacket('ping')).toThrow('service ping is already listening');
    from?.close();
    expect(() => made[A]?.openPacket('one')).not.toThrow();
  });

  it('hear of services, and of their end', async () => {
    const [a, , c] = await line('a', 'b', 'c');
    const heard: string[] = [];
    a?.on('advertisement', ({ kind, advertisement }) => heard.push(`${kind} ${advertisement.service}`));
    const tags = new Map([['type', 'Test']]);
    const service = c?.openPacket('svc', { connectionType: 0, tags });
    await clock.advance(200);
    expect(heard).toEqual(['new svc']);
    expect(a?.status().advertisements).toMatchObject([{ nodeId: 'c', service: 'svc', tags }]);
    service?.close();
    await clock.advance(200);
    expect(heard).toEqual(['new svc', 'cancelled svc']);
  });

  it('hear at once of what a new neighbour has heard before', async () => {
    const [a, , c] = await line('a', 'b', 'c');
    c?.openPacket('svc', { connectionType: 0, tags: new Map() });
    await clock.advance(2000);
    expect(a?.status().advertisements).toHaveLength(1);
    const d = await node('d');
    await d.addBackend(network.dialler('d', 'a'));
    await clock.advance(300);
    expect(d.status().advertisements).toMatchObject([{ nodeId: 'c', service: 'svc' }]);
    expect([...d.status().routes.keys()].sort()).toEqual(['a', 'b', 'c']);
  });

  it('forget one of them that is gone for long, with its services', async () => {
    const [a, b, c] = await line('a', 'b', 'c');
    c?.openPacket('svc', { connectionType: 0, tags: new Map() });
    await clock.advance(1000);
    const closing = c?.close();
    await clock.advance(1000);
    await closing;
    expect(a?.isReachable('c')).toBe(false);
    expect(a?.isReachable('b')).toBe(true);
    await clock.advance(420_000);
    expect([...(a?.status().knownConnections.keys() ?? [])].sort()).toEqual(['a', 'b']);
    expect(a?.status().advertisements).toEqual([]);
    expect(b?.isReachable('a')).toBe(true);
  });
});

describe('a circle of nodes', () => {
  it('is not told of a cancel, which Go nodes would send round for ever', async () => {
    const [a, , c] = await line('a', 'b', 'c');
    await a?.addBackend(network.dialler('a', 'c'));
    await clock.advance(1000);
    const raw = await RawPeer.establish(network, clock, 'raw', 'b');
    c?.openPacket('svc', { connectionType: 0, tags: new Map() }).close();
    const service = c?.openPacket('two', { connectionType: 0, tags: new Map() });
    await clock.advance(2000);
    expect(raw.ofType(2).length).toBeGreaterThan(0);
    service?.close();
    await clock.advance(2000);
    expect(raw.ofType(2).filter((message) => message.includes('"Cancel":true'))).toEqual([]);
  });
});

describe('two nodes with one ID', () => {
  it('are one after a moment: the later one stops, and says so', async () => {
    const [, b] = await line('a', 'b');
    await clock.advance(2000);
    const twin = new Netceptor({ id: 'a', clock, log });
    nodes.push(twin);
    let told = 0;
    twin.on('duplicate', () => told++);
    const c = await node('c');
    await c.addBackend(network.dialler('c', 'b'));
    await twin.addBackend(network.dialler('a', 'c'));
    await clock.advance(5000);
    expect(told).toBe(1);
    expect(b?.isReachable('a')).toBe(true);
    expect(() => twin.openPacket()).toThrow('netceptor shutdown');
  });

  it('are not seen in one that restarts with its clock set back', async () => {
    const [a, b] = await line('a', 'b', 'c');
    const closing = a?.close();
    await clock.advance(1000);
    await closing;
    const past = {
      now: () => clock.now() - 3_600_000,
      schedule: (delay: number, fire: () => void) => clock.schedule(delay, fire),
    };
    const again = new Netceptor({ id: 'a', clock: past, log });
    nodes.push(again);
    await again.addBackend(network.listener('a'));
    await clock.advance(60_000);
    expect(b?.isReachable('a')).toBe(true);
    expect([...again.status().routes.keys()].sort()).toEqual(['b', 'c']);
    const c = nodes.find(({ id }) => id === 'c');
    expect(c?.status().routes.get('a')).toEqual({ nextHop: 'b', cost: 2 });
    // The later epoch that the others had is forgotten: what the node says now counts.
    const d = await node('d');
    await d.addBackend(network.dialler('d', 'a'));
    await clock.advance(5000);
    expect(c?.status().routes.get('d')).toEqual({ nextHop: 'b', cost: 3 });
  });
});

describe('messages of a neighbour', () => {
  it('are forwarded with one hop less and not a byte else, or come back as expired', async () => {
    const foo = await node('foo');
    const [p1, p2] = [
      await RawPeer.establish(network, clock, 'p1', 'foo'),
      await RawPeer.establish(network, clock, 'p2', 'foo'),
    ];
    p1.data('p2', 'e1', 'svc', 5);
    p1.data('p2', 'e2', 'svc', 1);
    p1.data('p2', 'e3', 'svc', 0);
    p1.data('p2', 'unreach', 'svc', 0);
    await clock.advance(10);
    const forwarded = p2.ofType(0).map(decodeData);
    expect(forwarded.map(({ fromService, hops }) => [fromService, hops])).toEqual([
      ['e1', 4],
      ['e2', 0],
    ]);
    expect(forwarded[0]).toMatchObject({ toService: 'svc', payload: Buffer.from('payload') });
    const back = p1.ofType(0).map(decodeData);
    expect(back).toHaveLength(1);
    expect(decodeUnreachable(back[0]?.payload as Buffer)).toEqual({
      fromNode: 'p1',
      toNode: 'p2',
      fromService: 'e3',
      toService: 'svc',
      problem: 'message expired',
    });
    expect(foo.status().packets).toMatchObject({ forwarded: 2 });
  });

  it('that a firewall refuses come back as blocked, or not at all', async () => {
    await node('foo', {
      firewallRules: [
        { action: 'reject', toService: 'svc' },
        { action: 'drop', fromService: 'dropme' },
      ],
    });
    const peer = await RawPeer.establish(network, clock, 'raw', 'foo');
    peer.data('foo', 'e1', 'svc');
    peer.data('foo', 'dropme', 'other');
    peer.data('foo', 'unreach', 'svc');
    await clock.advance(10);
    const back = peer.ofType(0).map((message) => decodeUnreachable(decodeData(message).payload as Buffer));
    expect(back.map(({ fromService, problem }) => [fromService, problem])).toEqual([
      ['e1', 'blocked by firewall'],
    ]);
  });

  it('that would end a Go node do nothing here, and are passed on to nobody', async () => {
    const foo = await node('foo');
    const [bad, good] = [
      await RawPeer.connect(network, clock, 'bad', 'foo'),
      await RawPeer.establish(network, clock, 'good', 'foo'),
    ];
    const killers = [
      '',
      '\u0002{}',
      '\u0002null',
      '\u0002{"Cancel":true}',
      '\u0002{"X":1}',
      '\u0001null',
      '\u0001',
      '\u0000',
      '\u0002',
    ];
    bad.send(...killers);
    bad.update({ connections: new Map([['foo', 1]]) });
    await clock.advance(200);
    const before = good.messages.length;
    bad.send(...killers, '\u0001{"NodeID":"z","Connections":{"y":-1},"ForwardingNode":"bad"}', '\u0007?');
    await clock.advance(200);
    expect(
      foo
        .status()
        .connections.map(({ nodeId }) => nodeId)
        .sort(),
    ).toEqual(['bad', 'good']);
    expect(good.messages.length).toBe(before);
    expect(good.messages.filter((message) => message.length === 0)).toEqual([]);
  });

  it('that name no node are refused', async () => {
    const foo = await node('foo');
    const peer = await RawPeer.connect(network, clock, '', 'foo');
    peer.update();
    await clock.advance(100);
    expect(peer.ended).toBe(true);
    expect(foo.status().connections).toEqual([]);
  });
});

describe('a node that is closed', () => {
  it('tells its neighbours, which drop it at once, and leaves no timer', async () => {
    const [a, b] = await line('a', 'b');
    const events = await ended(b as Netceptor);
    const closing = a?.close();
    await clock.advance(100);
    await closing;
    expect(events).toMatchObject([{ peer: 'a', kind: 'rejected' }]);
    const other = b?.close();
    await clock.advance(100);
    await other;
    expect(clock.pending).toBe(0);
    await expect(a?.addBackend(network.listener('x'))).rejects.toMatchObject({
      code: 'RECEPTOR_MESH_CLOSED',
    });
  });
});

describe('the time that a link may be silent', () => {
  it('can be longer than by default, not shorter', async () => {
    expect(() => new Netceptor({ id: 'a', clock, maxIdleTime: 20_999 })).toThrow(
      'user defined maxIdleConnectionTimeout [20999000000] is less than the default default timeout [21000000000]',
    );
    const foo = await node('foo', { maxIdleTime: 60_000 });
    await RawPeer.establish(network, clock, 'raw', 'foo');
    await clock.advance(55_000);
    expect(foo.isReachable('raw')).toBe(true);
    await clock.advance(11_000);
    expect(foo.isReachable('raw')).toBe(false);
  });
});

describe('a node ID', () => {
  it.each(['', 'localhost', 'LocalHost'])('cannot be "%s"', (id) => {
    expect(() => new Netceptor({ id, clock })).toThrow(MeshError);
  });
});
