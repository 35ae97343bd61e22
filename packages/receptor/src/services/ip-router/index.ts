import { networkInterfaces } from 'node:os';
import type { Advertisement, AdvertisementEvent, Packet, PacketConnection } from '@receptor/netceptor';
import { configError } from '../../config/item.js';
import type { Settings } from '../../config/sections/index.js';
import {
  formatAddress,
  formatNetwork,
  type IpNetwork,
  parseNetwork,
  splitNetworks,
} from '../../ip-network.js';
import { systemErrorText } from '../../listeners/system-error.js';
import { type Service, type ServiceContext, textOf } from '../service.js';
import { readIpHeader } from './packet.js';
import { IpRoutes, routedNetworks, routerTags, whyNoRoute } from './routes.js';
import { openTun, type Tun, type TunSettings } from './tun.js';

/** Between what the mesh tells of and the kernel's routes, in milliseconds; more that it tells meanwhile is taken together. */
const SETTLE = 200;
/** Routes that have gone, as with an interface that was down for a while, are added again this often (reference: mesh). */
const REPAIR = 10_000;
/** Packets wait this long at most for a link that takes no more; then those for that node are lost, and not all. */
const PATIENCE = 1000;

/**
 * Routes IP between this machine and those of other nodes that do the same for the network of that name (reference: mesh, 8).
 * @param open makes the interface; a test has its own
 * @throws ReceptorError `RECEPTOR_CONFIG_INVALID` in the words of the Go daemon
 */
export async function ipRouter(
  { networkname, interface: name, localnet, routes }: Settings<'ip-router'>,
  context: ServiceContext,
  open: (settings: TunSettings) => Promise<Tun> = openTun,
): Promise<Service> {
  const { ConnectionType } = await import('@receptor/netceptor');
  const local = readNetwork(localnet);
  const own = splitNetworks(routes).map(readNetwork);
  const [base = 0] = local.base;
  const [address, peer] = [[base + 1], [base + 2]];
  const tun = await open({ name, local: address, peer });
  let packets: PacketConnection;
  try {
    packets = context.netceptor.openPacket(networkname, {
      connectionType: ConnectionType.datagram,
      tags: routerTags(networkname, local, own),
    });
  } catch (error) {
    tun.close();
    throw configError(`error listening for service ${networkname}: ${textOf(error)}`, error);
  }
  const { log } = context;
  log.info(`IP router ${networkname} has ${formatAddress(address)} on the interface ${tun.name}`);
  return new IpRouter({ ...context, network: networkname, local, own, tun, packets });
}

function readNetwork(text: string): IpNetwork {
  const network = parseNetwork(text);
  if (!network) throw configError(`could not parse ${text} as a CIDR address`);
  return network;
}

/** The networks that this machine is in by itself. */
function connectedNetworks(): IpNetwork[] {
  return Object.values(networkInterfaces())
    .flat()
    .map((each) => parseNetwork(each?.cidr ?? ''))
    .filter((network) => network !== undefined);
}

interface IpRouterOptions extends Pick<ServiceContext, 'netceptor' | 'log'> {
  readonly network: string;
  readonly local: IpNetwork;
  readonly own: readonly IpNetwork[];
  readonly tun: Tun;
  readonly packets: PacketConnection;
}

class IpRouter implements Service {
  readonly #options: IpRouterOptions;
  /** What other IP routers of the network lead to, by node. */
  readonly #heard = new Map<string, readonly IpNetwork[]>();
  /** The kernel's routes, those included that it has refused. */
  #installed: ReadonlyMap<string, IpNetwork> = new Map();
  /** Networks that are no routes, or cannot be removed, which the log tells once. */
  readonly #refused = new Set<string>();
  #routes: IpRoutes;
  /** Nodes whose link has taken no more for long. */
  readonly #stalled = new Set<string>();
  #settling: NodeJS.Timeout | undefined;
  #waiting: NodeJS.Timeout | undefined;
  readonly #repair: NodeJS.Timeout;
  #failed = false;
  #closed = false;

  constructor(options: IpRouterOptions) {
    this.#options = options;
    const { netceptor, packets, tun, log } = options;
    for (const advertisement of netceptor.status().advertisements) this.#hear('new', advertisement);
    this.#routes = this.#findRoutes();
    netceptor.on('advertisement', this.#advertised);
    netceptor.on('routesChanged', this.#waysChanged);
    packets.on('packet', (packet) => this.#fromMesh(packet));
    tun.start(
      (packet) => this.#fromMachine(packet),
      (error) => {
        log.error(
          `Error reading from tun device ${tun.name}: ${systemErrorText(error)}; IP router ${options.network} has ended`,
        );
        void this.close();
      },
    );
    this.#repair = setInterval(() => this.#installRoutes(), REPAIR);
    this.#installRoutes();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const { netceptor, packets, tun } = this.#options;
    netceptor.off('advertisement', this.#advertised);
    netceptor.off('routesChanged', this.#waysChanged);
    for (const timer of [this.#settling, this.#waiting, this.#repair]) clearTimeout(timer);
    packets.close();
    // An interface that somebody made to stay would keep them.
    for (const network of this.#installed.values()) this.#changeRoute('remove', network);
    tun.close();
  }

  readonly #advertised = ({ kind, advertisement }: AdvertisementEvent): void => {
    if (this.#hear(kind, advertisement)) this.#changed();
  };

  readonly #waysChanged = (): void => {
    if (this.#heard.size > 0) this.#changed();
  };

  /** Whether it was about an IP router of the network. */
  #hear(kind: AdvertisementEvent['kind'], { nodeId, service, tags }: Advertisement): boolean {
    const { netceptor, network } = this.#options;
    // Packets go to the service that is named as the network is.
    if (nodeId === netceptor.id || service !== network) return false;
    const networks = kind === 'cancelled' ? undefined : routedNetworks(tags, network);
    if (!networks) return this.#heard.delete(nodeId);
    this.#heard.set(nodeId, networks);
    return true;
  }

  #changed(): void {
    this.#settling ??= setTimeout(() => {
      this.#settling = undefined;
      this.#routes = this.#findRoutes();
      this.#installRoutes();
    }, SETTLE);
  }

  #findRoutes(): IpRoutes {
    const { netceptor, local, own } = this.#options;
    const ways = netceptor.routes;
    const inReach = [...this.#heard].flatMap(([node, networks]) => {
      const way = ways.get(node);
      return way ? [{ node, networks, cost: way.cost }] : [];
    });
    return new IpRoutes({ node: netceptor.id, local, networks: own }, inReach);
  }

  /** Has the machine send over the interface what other nodes lead to. */
  #installRoutes(): void {
    const known = this.#routes.networks();
    for (const name of this.#refused) if (!known.has(name)) this.#refused.delete(name);
    const connected = connectedNetworks();
    const wanted = new Map<string, IpNetwork>();
    for (const [name, network] of known) {
      const why = whyNoRoute(network, connected);
      if (why === undefined) wanted.set(name, network);
      else this.#refuse(name, `no route to ${name}: ${why}`);
    }
    for (const [name, network] of this.#installed)
      if (!wanted.has(name)) this.#changeRoute('remove', network);
    for (const network of wanted.values()) this.#changeRoute('add', network);
    this.#installed = wanted;
  }

  #refuse(name: string, why: string): void {
    if (this.#refused.has(name)) return;
    this.#refused.add(name);
    this.#options.log.warning(`IP router ${this.#options.network}: ${why}`);
  }

  #changeRoute(change: 'add' | 'remove', network: IpNetwork): void {
    const { tun, log } = this.#options;
    const name = formatNetwork(network);
    try {
      if (change === 'add') {
        tun.addRoute(network);
        if (!this.#installed.has(name) || this.#refused.has(name)) log.debug(`Adding route to ${name}`);
        this.#refused.delete(name);
      } else {
        log.debug(`Removing route to ${name}`);
        tun.removeRoute(network);
      }
    } catch (error) {
      const what = change === 'add' ? 'adding' : 'deleting';
      this.#refuse(name, `error ${what} kernel route to ${name}: ${systemErrorText(error)}`);
    }
  }

  /** Takes a packet that the machine sends; whether it may send more now. */
  #fromMachine(packet: Buffer): boolean {
    const { packets, network, log } = this.#options;
    const header = readIpHeader(packet);
    const node = header && this.#routes.nodeFor(header.destination);
    if (node === undefined || this.#stalled.has(node)) return true;
    try {
      if (packets.send(packet, node, network)) return true;
    } catch (error) {
      log.debug(`Error writing to Receptor network: ${textOf(error)}`);
      return true;
    }
    this.#wait(node);
    return false;
  }

  /** Leaves packets with the machine, which knows to keep or drop them, until the link has sent what waits. */
  #wait(node: string): void {
    const { packets, tun } = this.#options;
    const resume = (): void => {
      clearTimeout(this.#waiting);
      this.#waiting = undefined;
      if (!this.#closed) tun.resume();
    };
    this.#waiting = setTimeout(() => {
      this.#stalled.add(node);
      resume();
    }, PATIENCE);
    packets.whenDrained(() => {
      this.#stalled.clear();
      resume();
    });
  }

  /** Gives the machine a packet from the mesh, if it is one and its sender has the right to send it. */
  #fromMesh({ payload, fromNode, fromService }: Packet): void {
    const { network, tun, log } = this.#options;
    const header = fromService === network ? readIpHeader(payload) : undefined;
    if (!header) {
      log.debug(`Dropped what ${fromNode}:${fromService} sent to ${network}: no packet of IP`);
      return;
    }
    if (!this.#routes.maySend(fromNode, header.source)) {
      const source = formatAddress(header.source);
      log.debug(`Dropped a packet from ${fromNode}: others lead to its source ${source}`);
      return;
    }
    try {
      tun.write(payload);
      this.#failed = false;
    } catch (error) {
      // Not for each of them: it can be as many as somebody likes.
      if (!this.#failed) log.error(`Error writing to tun device: ${systemErrorText(error)}`);
      this.#failed = true;
    }
  }
}
