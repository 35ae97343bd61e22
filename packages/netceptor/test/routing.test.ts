import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Advertisements } from '../src/routing/advertisements.js';
import { Recent } from '../src/routing/recent.js';
import { Router } from '../src/routing/router.js';
import type { Advertisement } from '../src/wire/advertisement.js';
import type { RoutingUpdate } from '../src/wire/routing-update.js';
import { type Link, referenceCosts } from './reference-paths.js';

const limits = { nodes: 1000, bytes: 1e6, forgetAfter: 300_000 };
const router = (nodeId: string, epoch = 100n) => new Router({ nodeId, epoch, limits });
const update = (fields: Partial<RoutingUpdate>): RoutingUpdate => ({
  nodeId: 'x',
  updateId: Math.random().toString(36),
  epoch: 10n,
  sequence: 1n,
  connections: new Map([['p1', 1]]),
  forwardingNode: 'p1',
  suspectedDuplicate: 0n,
  ...fields,
});

describe('a router', () => {
  it('relays what is new and nothing else, as captured from a Go node', () => {
    const foo = router('foo');
    foo.linkUp('p1', 1);
    foo.linkUp('p2', 1);
    const first = update({ updateId: 'AAAAAAA1' });
    const relayed = [
      first,
      first,
      update({ updateId: 'AAAAAAA2' }),
      update({ updateId: 'AAAAAAA3', epoch: 9n, sequence: 9n }),
      update({ updateId: 'AAAAAAA4', epoch: 11n }),
      update({ updateId: 'AAAAAAA4', epoch: 12n }),
    ].filter((message) => foo.receive(message, 0).relay);
    expect(relayed.map((message) => [message.updateId, message.epoch])).toEqual([
      ['AAAAAAA1', 10n],
      ['AAAAAAA4', 11n],
    ]);
  });

  it('announces itself to a node it has not heard of, once', () => {
    const foo = router('foo');
    expect(foo.receive(update({}), 0)).toMatchObject({ announce: true, learned: 'x' });
    const again = foo.receive(update({ sequence: 2n }), 0);
    expect(again.announce).toBe(false);
    expect(again.learned).toBeUndefined();
  });

  it('does not route to a node that is only listed by another', () => {
    const foo = router('foo');
    foo.linkUp('p1', 1);
    foo.receive(
      update({
        nodeId: 'p1',
        connections: new Map([
          ['foo', 1],
          ['hearsay', 1],
        ]),
      }),
      0,
    );
    expect([...foo.routes().keys()]).toEqual(['p1']);
  });

  it('finds a way whose cost is more than a number can be', () => {
    const foo = router('foo');
    foo.linkUp('p1', 1e308);
    const links = new Map([
      ['foo', 1e308],
      ['far', 1e308],
    ]);
    foo.receive(update({ nodeId: 'p1', connections: links }), 0);
    foo.receive(update({ nodeId: 'far', connections: new Map([['p1', 1e308]]) }), 0);
    expect(foo.routes().get('far')).toEqual({ nextHop: 'p1', cost: Number.POSITIVE_INFINITY });
  });

  it('drops the other side of a link as soon as one side says it is gone', () => {
    const foo = router('foo');
    foo.linkUp('a', 1);
    foo.receive(
      update({
        nodeId: 'a',
        connections: new Map([
          ['foo', 1],
          ['b', 1],
        ]),
      }),
      0,
    );
    foo.receive(update({ nodeId: 'b', connections: new Map([['a', 1]]) }), 0);
    expect(foo.routes().get('b')).toEqual({ nextHop: 'a', cost: 2 });
    expect(foo.receive(update({ nodeId: 'b', sequence: 2n, connections: new Map() }), 0).recalculate).toBe(
      true,
    );
    expect(foo.routes().has('b')).toBe(false);
    // The neighbour's next word about it counts again, although it is the same word.
    const same = update({
      nodeId: 'a',
      sequence: 2n,
      connections: new Map([
        ['foo', 1],
        ['b', 1],
      ]),
    });
    expect(foo.receive(same, 0).recalculate).toBe(true);
    expect(foo.routes().get('b')).toEqual({ nextHop: 'a', cost: 2 });
  });

  it('counts a lost link as lost, whatever the neighbour said last', () => {
    const foo = router('foo');
    foo.linkUp('a', 2);
    foo.receive(update({ nodeId: 'a', connections: new Map([['foo', 2]]) }), 0);
    foo.linkDown('a');
    expect(foo.routes().size).toBe(0);
    expect(foo.connections.size).toBe(0);
  });

  it('has a sequence that grows with every update it builds', () => {
    const foo = router('foo');
    expect([foo.ownUpdate('a'), foo.ownUpdate('b')].map(({ sequence }) => sequence)).toEqual([1n, 2n]);
  });

  it('forgets nodes that fell silent, but never a neighbour', () => {
    const foo = router('foo');
    foo.linkUp('p1', 1);
    foo.receive(
      update({
        nodeId: 'p1',
        connections: new Map([
          ['foo', 1],
          ['x', 1],
        ]),
      }),
      0,
    );
    foo.receive(update({ nodeId: 'x' }), 0);
    foo.receive(update({ nodeId: 'y', connections: new Map([['x', 1]]) }), 200_000);
    expect(foo.forget(300_001)).toEqual(['x']);
    expect([...foo.routes().keys()]).toEqual(['p1']);
    expect(foo.forget(600_000)).toEqual(['y']);
  });

  it('knows no more nodes than it is allowed to', () => {
    const foo = new Router({ nodeId: 'foo', epoch: 1n, limits: { ...limits, nodes: 2 } });
    const relayed = ['a', 'b', 'c'].map((nodeId) => foo.receive(update({ nodeId }), 0).relay);
    expect(relayed).toEqual([true, true, false]);
  });

  it('keeps no more of what nodes say of their links than it is allowed to', () => {
    const foo = new Router({ nodeId: 'foo', epoch: 1n, limits: { ...limits, bytes: 20_000 } });
    const said = (nodeId: string, links: number, sequence = 1n) =>
      foo.receive(
        update({
          nodeId,
          updateId: `${nodeId}${sequence}`,
          sequence,
          connections: new Map(Array.from({ length: links }, (_, i) => [`n${i}`, 1])),
        }),
        0,
      ).relay;
    expect(said('a', 200)).toBe(true);
    expect(said('b', 200)).toBe(false);
    expect(said('b', 10)).toBe(true);
    expect(said('a', 100, 2n)).toBe(true);
    expect(said('b', 150, 2n)).toBe(true);
    expect(said('a', 200, 3n)).toBe(false);
    foo.forget(10_000_000);
    expect(said('c', 250)).toBe(true);
  });

  it('keeps no more of what nodes say of epochs that are not theirs than it is allowed to', () => {
    const foo = router('foo');
    const links = new Map(Array.from({ length: 20_000 }, (_, i): [string, number] => [`neighbour-${i}`, 1]));
    const notice = (i: number) =>
      update({ nodeId: `n${i}`, updateId: `s${i}`, epoch: 1n, connections: links, suspectedDuplicate: 7n });
    for (let i = 0; i < 30; i++) foo.receive(notice(i), 0);
    const speaks = (i: number) => foo.receive(update({ nodeId: `n${i}`, epoch: 7n }), 0);
    // The last is remembered, the first is not.
    expect(speaks(29).reply).toMatchObject({ suspectedDuplicate: 7n });
    expect(speaks(0)).toMatchObject({ relay: true });
    expect(speaks(0).reply).toBeUndefined();
  });

  it('knows whether the mesh has a circle', () => {
    const foo = router('foo');
    foo.linkUp('a', 1);
    foo.linkUp('b', 1);
    foo.receive(update({ nodeId: 'a', connections: new Map([['foo', 1]]) }), 0);
    foo.receive(update({ nodeId: 'b', connections: new Map([['foo', 1]]) }), 0);
    expect(foo.hasCircle()).toBe(false);
    foo.receive(
      update({
        nodeId: 'a',
        sequence: 2n,
        connections: new Map([
          ['foo', 1],
          ['b', 1],
        ]),
      }),
      0,
    );
    expect(foo.hasCircle()).toBe(true);
  });
});

describe('duplicate node IDs', () => {
  it('are told by the node that started earlier, and stop the one that started later', () => {
    const older = router('foo', 100n);
    const newer = router('foo', 200n);
    expect(older.receive(newer.ownUpdate('n'), 0).duplicate).toEqual({ self: false, epoch: 200n });
    expect(newer.receive(older.ownUpdate('o'), 0).duplicate).toBeUndefined();
    expect(newer.receive(older.ownUpdate('s', 200n), 0).duplicate).toEqual({ self: true, epoch: 100n });
  });

  it('are never seen in an update of its own that comes back', () => {
    const foo = router('foo');
    expect(foo.receive(foo.ownUpdate('a'), 0)).toEqual({
      relay: false,
      announce: false,
      recalculate: false,
    });
  });

  it('make every other node take the word of the older one again', () => {
    const bar = router('bar');
    bar.receive(update({ nodeId: 'foo', epoch: 200n, sequence: 50n }), 0);
    expect(bar.receive(update({ nodeId: 'foo', epoch: 100n, sequence: 7n }), 0).relay).toBe(false);
    const notice = update({ nodeId: 'foo', epoch: 100n, sequence: 8n, suspectedDuplicate: 200n });
    expect(bar.receive(notice, 0)).toMatchObject({ relay: true, suspicion: true });
    expect(bar.receive(notice, 0).relay).toBe(false);
    expect(bar.receive(update({ nodeId: 'foo', epoch: 100n, sequence: 9n }), 0).relay).toBe(true);
  });

  it('are told from a neighbour that restarted with its clock set back', () => {
    const bar = router('bar');
    bar.receive(update({ nodeId: 'foo', epoch: 200n, sequence: 50n }), 0);
    const verdict = bar.receive(update({ nodeId: 'foo', epoch: 100n }), 0);
    expect(verdict.reply).toMatchObject({ epoch: 200n, sequence: 50n });
    expect(bar.receive(update({ nodeId: 'foo', epoch: 200n, sequence: 3n }), 0).reply).toBeUndefined();
  });

  it("are told from it by who missed that too, once it speaks of the epoch that is not the node's", () => {
    const [bar, late] = [router('bar'), router('late')];
    const wrong = update({ nodeId: 'foo', epoch: 200n, sequence: 50n });
    for (const node of [bar, late]) node.receive(wrong, 0);
    const notice = update({ nodeId: 'foo', epoch: 100n, sequence: 2n, suspectedDuplicate: 200n });
    bar.receive(notice, 0);
    const right = update({ nodeId: 'foo', epoch: 100n, sequence: 3n });
    expect(bar.receive(right, 0).relay).toBe(true);

    const reminder = late.receive(right, 0).reply;
    expect(reminder).toEqual(wrong);
    const verdict = bar.receive(reminder as RoutingUpdate, 0);
    expect(verdict).toMatchObject({ relay: false, recalculate: false, reply: notice });
    expect(late.receive(verdict.reply as RoutingUpdate, 0).relay).toBe(true);
    expect(late.receive(right, 0).relay).toBe(true);
    // From now on it does not listen to it either, whatever its sequence number.
    expect(late.receive(update({ nodeId: 'foo', epoch: 200n, sequence: 60n }), 0)).toMatchObject({
      relay: false,
      reply: notice,
    });
  });
});

let updates = 0;

/** Delivers what routers send one another, in an order that the test decides, until nothing is left. */
function settle(
  routers: Map<string, Router>,
  links: readonly Link[],
  pick: (below: number) => number,
): number {
  const neighbours = (node: string) => links.flatMap(([a, b]) => (a === node ? [b] : b === node ? [a] : []));
  const pipes = new Map<string, { from: string; to: string; updates: RoutingUpdate[] }>();
  const send = (from: string, to: string, message: RoutingUpdate) => {
    const key = `${from}>${to}`;
    const pipe = pipes.get(key) ?? { from, to, updates: [] };
    pipe.updates.push(message);
    pipes.set(key, pipe);
  };
  const announce = (node: string) => {
    const own = routers.get(node)?.ownUpdate(`update ${updates++}`);
    if (own) for (const peer of neighbours(node)) send(node, peer, own);
  };
  for (const node of routers.keys()) announce(node);
  for (let messages = 0; ; messages++) {
    const waiting = [...pipes.values()].filter((pipe) => pipe.updates.length > 0);
    if (waiting.length === 0) return messages;
    const pipe = waiting[pick(waiting.length)];
    const message = pipe?.updates.shift();
    if (!pipe || !message) throw new Error('picked nothing');
    const verdict = routers.get(pipe.to)?.receive(message, 0);
    if (verdict?.announce) announce(pipe.to);
    if (!verdict?.relay) continue;
    for (const peer of neighbours(pipe.to))
      if (peer !== pipe.from) send(pipe.to, peer, { ...message, forwardingNode: pipe.to });
  }
}

const mesh = fc.integer({ min: 2, max: 9 }).chain((size) => {
  const nodes = Array.from({ length: size }, (_, i) => `n${i}`);
  const pairs = nodes.flatMap((a, i) => nodes.slice(i + 1).map((b) => [a, b] as const));
  return fc
    .tuple(
      fc.subarray(pairs),
      fc.array(fc.integer({ min: 1, max: 9 }), { minLength: pairs.length, maxLength: pairs.length }),
    )
    .map(([chosen, costs]) => ({ nodes, links: chosen.map(([a, b], i): Link => [a, b, costs[i] ?? 1]) }));
});

describe('any mesh, whatever the order in which messages arrive', () => {
  const picks = fc.infiniteStream(fc.nat());

  it('settles, with a cheapest way to every node in every table', () => {
    fc.assert(
      fc.property(mesh, picks, ({ nodes, links }, order) => {
        const routers = new Map(nodes.map((node) => [node, router(node)]));
        for (const [a, b, cost] of links) {
          routers.get(a)?.linkUp(b, cost);
          routers.get(b)?.linkUp(a, cost);
        }
        const messages = settle(routers, links, (below) => Number(order.next().value) % below);
        // Every node sends once for itself and once for each node it hears of; each passes each link once each way.
        expect(messages).toBeLessThanOrEqual(nodes.length ** 2 * 2 * links.length);
        expectCheapest(routers, nodes, links);
      }),
    );
  });

  it('settles again after links went down and came up', () => {
    fc.assert(
      fc.property(mesh, picks, fc.infiniteStream(fc.boolean()), ({ nodes, links }, order, coin) => {
        const routers = new Map(nodes.map((node) => [node, router(node)]));
        const pick = (below: number) => Number(order.next().value) % below;
        const before = links.filter(() => coin.next().value);
        for (const [a, b, cost] of before) {
          routers.get(a)?.linkUp(b, cost);
          routers.get(b)?.linkUp(a, cost);
        }
        settle(routers, before, pick);
        for (const [a, b] of before) {
          routers.get(a)?.linkDown(b);
          routers.get(b)?.linkDown(a);
        }
        const after = links.filter(() => coin.next().value);
        for (const [a, b, cost] of after) {
          routers.get(a)?.linkUp(b, cost);
          routers.get(b)?.linkUp(a, cost);
        }
        settle(routers, after, pick);
        // What is said in the second round comes after all that was said in the first.
        settle(routers, after, pick);
        expectCheapest(routers, nodes, after);
      }),
    );
  });
});

function expectCheapest(
  routers: Map<string, Router>,
  nodes: readonly string[],
  links: readonly Link[],
): void {
  const costs = referenceCosts(nodes, links);
  for (const [node, own] of routers) {
    const table = own.routes();
    for (const other of nodes) {
      if (other === node) continue;
      const cost = costs.get(node)?.get(other);
      expect(table.get(other)?.cost).toBe(cost);
      const next = table.get(other)?.nextHop;
      if (next === undefined) continue;
      expect((own.connections.get(next) ?? Number.NaN) + (costs.get(next)?.get(other) ?? Number.NaN)).toBe(
        cost,
      );
    }
  }
}

const ad = (fields: Partial<Advertisement>) => {
  const advertisement: Advertisement = {
    nodeId: 'n',
    service: 's',
    time: 5n,
    connectionType: 1,
    tags: null,
    workCommands: null,
    cancel: false,
    ...fields,
  };
  return { advertisement, message: Buffer.from('raw') };
};

describe('advertisements', () => {
  const store = (count = 100, bytes = 1e6) => new Advertisements({ count, bytes, forgetAfter: 1000 });

  it('are passed on only when strictly later than what is known', () => {
    const ads = store();
    expect(ads.receive(ad({}), 0)).toBe('new');
    expect(ads.receive(ad({}), 0)).toBe('ignored');
    expect(ads.receive(ad({ time: 4n }), 0)).toBe('ignored');
    expect(ads.receive(ad({ time: 6n }), 0)).toBe('repeated');
    expect(ads.receive(ad({ time: 7n, tags: new Map([['type', 'x']]) }), 0)).toBe('changed');
    expect(ads.find('n', 's')?.time).toBe(7n);
  });

  it('do not send a cancel round for ever', () => {
    const ads = store();
    expect(ads.receive(ad({ cancel: true }), 0)).toBe('ignored');
    ads.receive(ad({ time: 6n }), 0);
    expect(ads.receive(ad({ time: 7n, cancel: true }), 0)).toBe('cancelled');
    expect(ads.receive(ad({ time: 7n, cancel: true }), 0)).toBe('ignored');
    expect(ads.receive(ad({ time: 8n, cancel: true }), 0)).toBe('ignored');
    // What was sent before the cancel and arrives after it does not bring the service back.
    expect(ads.receive(ad({ time: 6n }), 0)).toBe('ignored');
    expect(ads.receive(ad({ time: 9n }), 0)).toBe('new');
  });

  it('are forgotten when they are not repeated', () => {
    const ads = store();
    ads.receive(ad({ service: 'a' }), 0);
    ads.receive(ad({ service: 'b' }), 500);
    expect(ads.forget(1001).map(({ service }) => service)).toEqual(['a']);
    expect([...ads.all()].map(({ advertisement }) => advertisement.service)).toEqual(['b']);
  });

  it('and cancels are limited in number', () => {
    const ads = store(2);
    const outcomes = ['a', 'b', 'c'].map((service) => ads.receive(ad({ service }), 0));
    expect(outcomes).toEqual(['new', 'new', 'ignored']);
    for (const service of ['d', 'e', 'f']) ads.receive(ad({ service, cancel: true }), 0);
    expect([...ads.all()]).toHaveLength(2);
  });
});

describe('the bytes of advertisements', () => {
  const limits = { count: 1000, bytes: 100, forgetAfter: 1000 };
  const hear = (ads: Advertisements, service: string, time: bigint, length: number, cancel = false) =>
    ads.receive(
      { advertisement: { ...ad({ service, cancel }).advertisement, time }, message: Buffer.alloc(length) },
      0,
    );

  it('are limited, and are free again when one is replaced, cancelled or forgotten', () => {
    const ads = new Advertisements(limits);
    expect(hear(ads, 'a', 1n, 60)).toBe('new');
    expect(hear(ads, 'b', 1n, 60)).toBe('ignored');
    expect(hear(ads, 'a', 2n, 40)).toBe('repeated');
    expect(hear(ads, 'b', 1n, 60)).toBe('new');
    expect(hear(ads, 'b', 2n, 10, true)).toBe('cancelled');
    expect(hear(ads, 'c', 1n, 60)).toBe('new');
    ads.forget(2000);
    expect(hear(ads, 'd', 1n, 100)).toBe('new');
  });

  it('are limited in cancels as well, of which the oldest are forgotten', () => {
    const ads = new Advertisements(limits);
    for (let i = 0; i < 100; i++) hear(ads, `service${i}`, 5n, 10, true);
    // The last is remembered, the first is not.
    expect(hear(ads, 'service99', 4n, 10)).toBe('ignored');
    expect(hear(ads, 'service0', 4n, 10)).toBe('new');
  });
});

describe('what was seen', () => {
  it('is remembered for its lifetime, and in a bounded number', () => {
    const recent = new Recent(3, 100);
    expect(recent.add('a', 1000)).toBe(false);
    expect(recent.add('a', 1099)).toBe(true);
    for (const entry of ['b', 'c', 'd', 'e', 'f', 'g', 'h']) recent.add(entry, 1099);
    expect(recent.add('a', 1099)).toBe(false);
    expect(recent.add('h', 1099)).toBe(true);
  });

  it('is not remembered for longer because it is seen again and again', () => {
    const recent = new Recent(3, 100);
    const seen = [0, 60, 120, 180, 240].map((now) => recent.add('a', 1000 + now));
    expect(seen).toEqual([false, true, true, true, false]);
  });
});
