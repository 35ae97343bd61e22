import {
  contains,
  formatNetwork,
  type IpAddress,
  type IpNetwork,
  isWithin,
  parseNetwork,
} from '../../ip-network.js';

/** What the tag `type` of an IP router's advertisement says. */
const TYPE = 'IP Router';
/** Networks that are taken from one node, and from all together: each is a route of the kernel. */
const MAX_OF_NODE = 100;
const MAX_OF_ALL = 1000;

/** A network of fewer bits is as good as a default route. */
const MIN_BITS = 8;

/** Networks that mean something else on every machine: nobody can have them routed to him. */
const RESERVED = [
  '0.0.0.0/8',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '224.0.0.0/3',
  '::/96',
  '::ffff:0:0/96',
  'fe80::/10',
  'ff00::/8',
]
  .map(parseNetwork)
  .filter((network) => network !== undefined);

/** What an IP router says of itself (reference: mesh, 4.6). */
export function routerTags(
  network: string,
  local: IpNetwork,
  routes: readonly IpNetwork[],
): Map<string, string> {
  return new Map([
    ['type', TYPE],
    ['network', network],
    ['route_local', formatNetwork(local)],
    ...routes.map((route, index) => [`route_${index}`, formatNetwork(route)] as const),
  ]);
}

/** The networks that an advertisement says its node leads to; undefined when it is of no IP router of this network. */
export function routedNetworks(
  tags: ReadonlyMap<string, string> | null,
  network: string,
): readonly IpNetwork[] | undefined {
  if (tags?.get('type') !== TYPE || tags.get('network') !== network) return undefined;
  const networks: IpNetwork[] = [];
  for (const [key, value] of tags) {
    if (!key.startsWith('route') || networks.length >= MAX_OF_NODE) continue;
    const routed = parseNetwork(value);
    if (routed && !RESERVED.some((reserved) => isWithin(routed, reserved))) networks.push(routed);
  }
  return networks;
}

/** Why a network that another node leads to does not become a route of this machine; undefined when it may. */
export function whyNoRoute(network: IpNetwork, connected: readonly IpNetwork[]): string | undefined {
  if (network.bits < MIN_BITS) return 'as good as a default route, which only you can add';
  if (connected.some((each) => isWithin(network, each)))
    return 'in a network that this machine is connected to';
  return undefined;
}

/** A node and the networks it leads to. */
export interface IpRouterNode {
  readonly node: string;
  /** What a way to it costs. */
  readonly cost: number;
  readonly networks: readonly IpNetwork[];
}

interface Entry {
  readonly network: IpNetwork;
  readonly node: string;
  readonly cost: number;
}

/** Which node leads to which addresses. */
export class IpRoutes {
  /** The one to be preferred first. */
  readonly #entries: readonly Entry[];
  readonly #self: string;
  readonly #local: IpNetwork;

  /**
   * @param self this node, with its local network, which no other can lead to, and those that it leads to besides
   * @param others those in reach
   */
  constructor(
    { node: self, local, networks: own }: Omit<IpRouterNode, 'cost'> & { readonly local: IpNetwork },
    others: Iterable<IpRouterNode>,
  ) {
    this.#self = self;
    this.#local = local;
    const entries: Entry[] = [];
    for (const { node, cost, networks } of others)
      for (const network of networks)
        if (entries.length < MAX_OF_ALL && !isWithin(network, local)) entries.push({ network, node, cost });
    // Of the same network another node can lead to as well, this one is the last resort: it has not found a way itself.
    for (const network of [local, ...own])
      entries.push({ network, node: self, cost: Number.POSITIVE_INFINITY });
    this.#entries = entries.sort(byPreference);
  }

  /**
   * The node that a packet is for. The narrowest network counts, as everywhere in IP, and of the same the cheapest way; a
   * Go node takes the cheapest of all. Undefined for none, and for addresses that this node leads to itself: going round would
   * not bring it there.
   */
  nodeFor(destination: IpAddress): string | undefined {
    const entry = this.#entries.find(({ network }) => contains(network, destination));
    return entry?.node === this.#self ? undefined : entry?.node;
  }

  /**
   * Whether a node may send packets from an address: not when others lead there, and it does not; never from one of the local
   * network. One that nobody leads to can be that of a router on the way, which tells of an error.
   */
  maySend(node: string, source: IpAddress): boolean {
    if (contains(this.#local, source)) return false;
    let others = false;
    for (const entry of this.#entries) {
      if (!contains(entry.network, source)) continue;
      if (entry.node === node) return true;
      others ||= entry.network.bits > 0;
    }
    return !others;
  }

  /** The networks that other nodes lead to, by how they are written. */
  networks(): Map<string, IpNetwork> {
    const others = this.#entries.filter(({ node }) => node !== this.#self);
    return new Map(others.map(({ network }) => [formatNetwork(network), network]));
  }
}

function byPreference(a: Entry, b: Entry): number {
  const cost = a.cost === b.cost ? 0 : a.cost - b.cost;
  return b.network.bits - a.network.bits || cost || (a.node < b.node ? -1 : 1);
}
