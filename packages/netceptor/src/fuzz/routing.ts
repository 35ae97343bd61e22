import type { Random } from '../random.js';
import { Advertisements } from '../routing/advertisements.js';
import { Router } from '../routing/router.js';
import { decodeAdvertisement, encodeAdvertisement } from '../wire/advertisement.js';
import { decodeRoutingUpdate, encodeRoutingUpdate } from '../wire/routing-update.js';
import { capturedMessages } from './corpus.js';
import { joinMessages, mutate, pick, splitMessages } from './mutate.js';
import { check, type FuzzTarget, refused } from './target.js';
import { isMalformed } from './wire.js';

const SELF = 'self';
const NAMES = [SELF, 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];
const MAX_NODES = 6;
const COSTS = [1, 1, 1, 2, 0.5, 1e-300, 1e308];
const SEQUENCES = [0n, 1n, 2n, 3n, 2n ** 64n - 1n];

function drawUpdate(random: Random): Buffer {
  return encodeRoutingUpdate({
    nodeId: pick(random, NAMES),
    updateId: `update${random(30)}`,
    epoch: pick(random, SEQUENCES),
    sequence: pick(random, SEQUENCES),
    connections: new Map(
      Array.from({ length: random(5) }, () => [pick(random, NAMES), pick(random, COSTS)] as const),
    ),
    forwardingNode: pick(random, NAMES),
    suspectedDuplicate: random(8) === 0 ? pick(random, SEQUENCES) : 0n,
  });
}

/** Costs of ways are sums, of which the order may decide the last digits. */
const atMost = (a: number, b: number) => a <= b || a - b <= 1e-9 * a;

/** Every way is one, none is cheaper than it, and no node is left out. */
function checkRoutes(router: Router): void {
  const routes = router.routes();
  const graph = router.knownConnections();
  const distance = (node: string) => (node === SELF ? 0 : routes.get(node)?.cost);
  const reachedAt = new Map<string, number>();
  for (const [node, links] of graph) {
    const before = distance(node);
    if (before === undefined) continue;
    for (const [next, cost] of links)
      if (graph.has(next)) reachedAt.set(next, Math.min(reachedAt.get(next) ?? Infinity, before + cost));
  }
  for (const [node, cheapest] of reachedAt) {
    if (node === SELF) continue;
    const cost = distance(node);
    check(cost !== undefined, `there is a way to ${node}, but it was not found`);
    check(
      atMost(cost, cheapest) && atMost(cheapest, cost),
      `the way to ${node} costs ${cost}, not ${cheapest}`,
    );
  }
  for (const [node, { nextHop }] of routes) {
    check(reachedAt.has(node), `there is no way to ${node}`);
    check(
      router.connections.has(nextHop),
      `the way to ${node} begins with ${nextHop}, which is no neighbour`,
    );
  }
}

/** A router: any updates, links that come and go. It knows what it is told, up to its limits, and finds the best ways. */
export function routingTarget(): FuzzTarget {
  const corpus = capturedMessages(1);
  return {
    name: 'routing',
    generate: (random) =>
      joinMessages(
        Array.from({ length: 1 + random(40) }, () => {
          if (random(6) === 0) return Buffer.from([0, random(2), 1 + random(NAMES.length - 1)]);
          return random(3) === 0
            ? mutate(random, random(2) ? corpus : [drawUpdate(random)])
            : drawUpdate(random);
        }),
      ),
    run(input) {
      const limits = { nodes: MAX_NODES, bytes: 1e6, forgetAfter: 10 };
      const router = new Router({ nodeId: SELF, epoch: 2n, limits });
      for (const [now, message] of splitMessages(input).entries()) {
        const [kind, up, name = 0] = message;
        if (kind === 0) {
          const peer = NAMES[name % NAMES.length] ?? 'a';
          if (peer !== SELF) router[up ? 'linkUp' : 'linkDown'](peer, 1);
        } else {
          const update = refused(() => decodeRoutingUpdate(message), isMalformed);
          if (update) router.receive(update, now);
        }
        if (now % 7 === 6) router.forget(now);
        check(router.size <= MAX_NODES, `the router knows ${router.size} nodes`);
        checkRoutes(router);
        router.hasCircle();
      }
      check(router.ownUpdate('last').nodeId === SELF, 'the router has forgotten who it is');
    },
  };
}

const MAX_ADVERTISEMENTS = 5;

/** What is told of services: never more than the limit, and always the latest. */
export function advertisementsTarget(): FuzzTarget {
  const corpus = capturedMessages(2);
  const draw = (random: Random): Buffer =>
    encodeAdvertisement({
      nodeId: pick(random, NAMES),
      service: pick(random, ['x', 'y']),
      time: BigInt(random(10)),
      connectionType: random(3),
      tags: random(2) ? new Map([['type', String(random(3))]]) : null,
      workCommands: null,
      cancel: random(3) === 0,
    });
  return {
    name: 'advertisements',
    generate: (random) =>
      joinMessages(
        Array.from({ length: 1 + random(30) }, () =>
          random(3) === 0 ? mutate(random, random(2) ? corpus : [draw(random)]) : draw(random),
        ),
      ),
    run(input) {
      const store = new Advertisements({ count: MAX_ADVERTISEMENTS, bytes: 1e6, forgetAfter: 10 });
      for (const [now, message] of splitMessages(input).entries()) {
        const advertisement = refused(() => decodeAdvertisement(message), isMalformed);
        if (!advertisement) continue;
        const { nodeId, service } = advertisement;
        const before = store.find(nodeId, service);
        const outcome = store.receive({ advertisement, message }, now);
        const after = store.find(nodeId, service);
        if (outcome === 'ignored') check(after === before, 'what was ignored has changed something');
        else if (outcome === 'cancelled') check(after === undefined, 'what was cancelled is still there');
        else check(after === advertisement, 'what was taken is not there');
        check(!before || !after || after.time >= before.time, 'the older one has won');
        check([...store.all()].length <= MAX_ADVERTISEMENTS, 'there are too many');
        if (now % 7 === 6) store.forget(now);
      }
    },
  };
}
