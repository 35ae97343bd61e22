import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { contains, formatNetwork, type IpNetwork, parseNetwork } from '../../../src/ip-network.js';
import { IpRoutes, routedNetworks, routerTags, whyNoRoute } from '../../../src/services/ip-router/routes.js';

const network = (text: string): IpNetwork => {
  const found = parseNetwork(text);
  if (!found) throw new Error(`${text} is no network`);
  return found;
};
const networks = (...texts: string[]) => texts.map(network);
const address = (text: string) => network(`${text}/${text.includes(':') ? 128 : 32}`).base;

const LOCAL = network('10.42.0.0/30');
const self = (...own: string[]) => ({ node: 'self', local: LOCAL, networks: networks(...own) });
const peer = (node: string, cost: number, ...led: string[]) => ({ node, cost, networks: networks(...led) });

describe('what an IP router says of itself', () => {
  const tags = routerTags('net', LOCAL, networks('192.168.0.0/24', 'fd00::/64'));

  it('is what one of Go says', () => {
    expect([...tags]).toEqual([
      ['type', 'IP Router'],
      ['network', 'net'],
      ['route_local', '10.42.0.0/30'],
      ['route_0', '192.168.0.0/24'],
      ['route_1', 'fd00::/64'],
    ]);
  });

  it('is read by others of the same network only', () => {
    expect(routedNetworks(tags, 'net')).toEqual([LOCAL, ...networks('192.168.0.0/24', 'fd00::/64')]);
    expect(routedNetworks(tags, 'other')).toBeUndefined();
    expect(routedNetworks(new Map([...tags, ['type', 'TCP Proxy']]), 'net')).toBeUndefined();
    expect(routedNetworks(null, 'net')).toBeUndefined();
  });
});

describe('of the networks that a node says it leads to', () => {
  const said = (...routes: string[]) =>
    routedNetworks(
      new Map([
        ['type', 'IP Router'],
        ['network', 'net'],
        ...routes.map((route, index) => [`route_${index}`, route] as const),
      ]),
      'net',
    )?.map(formatNetwork);

  it('those that are none are left out, whatever is said', () => {
    fc.assert(
      fc.property(fc.array(fc.string()), (routes) => {
        const found = said(...routes);
        expect(found).toBeDefined();
        expect(found?.every((each) => parseNetwork(each))).toBe(true);
      }),
    );
    expect(said('10.0.0.0/33', '', '10.0.0.0/8; rm', '10.0.0.0/8')).toEqual(['10.0.0.0/8']);
  });

  it.each([
    '127.0.0.0/8',
    '127.0.0.1/32',
    '169.254.169.254/32',
    '224.0.0.0/4',
    '255.255.255.255/32',
    '::1/128',
    'fe80::/64',
    'ff02::/16',
    '::ffff:10.0.0.1/128',
  ])('%s, which is another on each machine, is left out', (route) => {
    expect(said(route, '10.0.0.0/8')).toEqual(['10.0.0.0/8']);
  });

  it('no more than 100 are taken', () => {
    expect(said(...Array.from({ length: 250 }, (_, index) => `10.1.${index}.0/24`))).toHaveLength(100);
  });

  it.each(['0.0.0.0/0', '0.0.0.0/1', '128.0.0.0/1', '::/0', '2000::/3'])(
    '%s is no route of the machine: it would be as good as the default',
    (route) => {
      expect(whyNoRoute(network(route), [])).toContain('default');
    },
  );

  it('those that the machine is connected to are no routes, nor parts of them; wider ones and others are', () => {
    const connected = networks('192.168.1.0/24', 'fd00::/64');
    for (const taken of ['192.168.1.0/24', '192.168.1.128/25', '192.168.1.1/32', 'fd00::5/128'])
      expect(whyNoRoute(network(taken), connected)).toContain('connected');
    for (const free of ['192.168.0.0/16', '192.168.2.0/24', '10.0.0.0/8', 'fd00:1::/64'])
      expect(whyNoRoute(network(free), connected)).toBeUndefined();
  });
});

describe('the node that a packet is for', () => {
  const routes = new IpRoutes(self('172.20.0.0/16'), [
    peer('far', 5, '10.42.0.4/30', '192.168.0.0/16', '172.20.0.0/16', '0.0.0.0/0'),
    peer('near', 1, '10.42.0.8/30', '192.168.0.0/16', '10.42.0.0/30', '10.42.0.1/32'),
    peer('narrow', 9, '192.168.7.0/24', '172.20.5.0/24'),
  ]);

  it.each([
    ['10.42.0.5', 'far'],
    ['10.42.0.9', 'near'],
    // The cheapest way, and before that the narrowest network.
    ['192.168.1.1', 'near'],
    ['192.168.7.1', 'narrow'],
    ['172.20.5.1', 'narrow'],
    // What this node leads to itself has not been found by it.
    ['172.20.1.1', 'far'],
    ['8.8.8.8', 'far'],
    // Nobody else has the local network, or a part of it.
    ['10.42.0.1', undefined],
    ['10.42.0.2', undefined],
    ['fd00::1', undefined],
  ])('to %s is %s', (destination, node) => {
    expect(routes.nodeFor(address(destination))).toBe(node);
  });

  it('is always one that has the narrowest network with the address', () => {
    const bits = fc.integer({ min: 0, max: 32 });
    const some = fc
      .tuple(fc.integer({ min: 0, max: 255 }), bits)
      .map(([byte, count]) => `10.${byte}.0.0/${count}`);
    const node = fc.record({ cost: fc.integer({ min: 1, max: 5 }), led: fc.array(some, { maxLength: 4 }) });
    fc.assert(
      fc.property(fc.array(node, { maxLength: 5 }), fc.integer({ min: 0, max: 255 }), (nodes, byte) => {
        const destination = address(`10.${byte}.0.0`);
        const others = nodes.map(({ cost, led }, index) => peer(`n${index}`, cost, ...led));
        const found = new IpRoutes(self(), others).nodeFor(destination);
        const fitting = others.flatMap(({ node, cost, networks }) =>
          networks
            .filter((each) => contains(each, destination))
            .map((each) => ({ node, cost, bits: each.bits })),
        );
        if (contains(LOCAL, destination)) expect(found).toBeUndefined();
        const narrowest = Math.max(...fitting.map((each) => each.bits));
        const best = fitting.filter((each) => each.bits === narrowest);
        const cheapest = Math.min(...best.map(({ cost }) => cost));
        if (fitting.length === 0) expect(found).toBeUndefined();
        else if (!contains(LOCAL, destination))
          expect(best.filter(({ cost }) => cost === cheapest).map(({ node }) => node)).toContain(found);
      }),
    );
  });

  it('is found among 1000 networks at most, and none of this node is left out for it', () => {
    const many = Array.from({ length: 20 }, (_, node) =>
      peer(`n${node}`, 1, ...Array.from({ length: 100 }, (_, index) => `10.${node}.${index}.0/24`)),
    );
    const full = new IpRoutes(self('10.19.99.0/24'), many);
    expect(full.networks().size).toBe(1000);
    expect(full.nodeFor(address('10.19.99.1'))).toBeUndefined();
    expect(full.maySend('n0', address('10.19.99.1'))).toBe(false);
  });
});

describe('a node may send packets', () => {
  const routes = new IpRoutes(self('172.20.0.0/16'), [
    peer('a', 1, '10.42.0.4/30', '192.168.0.0/16'),
    peer('b', 1, '10.42.0.8/30', '192.168.7.0/24'),
    peer('exit', 1, '0.0.0.0/0'),
  ]);

  it.each([
    ['from what it leads to', 'a', '10.42.0.5', true],
    ['from what another leads to as well', 'a', '192.168.7.1', true],
    ['from what nobody leads to, such as a router on the way', 'a', '8.8.8.8', true],
    ['from what only another leads to', 'b', '10.42.0.5', false],
    ['from what this node has itself', 'a', '10.42.0.1', false],
    ['from what this node leads to', 'a', '172.20.1.1', false],
    ['from anything, when it leads to everything', 'exit', '10.42.0.5', true],
    ['from what this node has itself, even then', 'exit', '10.42.0.1', false],
  ])('%s: %s, %s', (_, node, source, may) => {
    expect(routes.maySend(node, address(source))).toBe(may);
  });
});
