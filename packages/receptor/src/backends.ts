import type { Backend, BackendSettings, Netceptor, RunningBackend } from '@receptor/netceptor';
import type { Logger } from '@receptor/workceptor';
import { type ConfigItem, configError, itemKey } from './config/item.js';
import type { SectionName } from './config/sections/index.js';
import { listenError } from './listeners/tcp.js';
import type { OwnNode } from './own-node.js';
import type { TlsProfiles } from './tls-profiles.js';

/** The sections that give a node links to others. */
export const BACKENDS: ReadonlySet<SectionName> = new Set([
  'tcp-listener',
  'tcp-peer',
  'udp-listener',
  'udp-peer',
  'ws-listener',
  'ws-peer',
]);

/** A backend, and what the log says when it runs. */
interface Way {
  readonly backend: Backend;
  readonly running: (address: string) => string;
  /** Of a listener. */
  readonly listens?: { readonly network: 'tcp' | 'udp'; readonly host: string; readonly port: number };
}

type Library = typeof import('@receptor/netceptor');

/** The links that a node has by its configuration. */
export class Backends {
  readonly #node: OwnNode;
  readonly #tls: TlsProfiles;
  readonly #log: Logger;
  /** What runs, by what the configuration says of it; the same can be there several times. */
  readonly #running = new Map<string, RunningBackend[]>();

  constructor(node: OwnNode, tls: TlsProfiles, log: Logger) {
    this.#node = node;
    this.#tls = tls;
    this.#log = log;
  }

  /**
   * Makes the links those of the configuration: ends what is not in it any more, then opens ports and begins to dial. What has
   * not changed is left alone.
   * @throws ReceptorError `RECEPTOR_CONFIG_INVALID` in the words of the Go daemon
   */
  async apply(items: readonly ConfigItem[]): Promise<void> {
    const wanted = items.filter(({ section }) => BACKENDS.has(section));
    const surplus = new Map([...this.#running].map(([key, backends]) => [key, backends.length]));
    for (const item of wanted) surplus.set(itemKey(item), (surplus.get(itemKey(item)) ?? 0) - 1);
    for (const [key, count] of surplus)
      if (count > 0)
        await Promise.all((this.#running.get(key) ?? []).splice(0, count).map((each) => each.stop()));

    if (wanted.length === 0) return;
    const node = await this.#node.join();
    const library = await import('@receptor/netceptor');
    for (const item of wanted) {
      const key = itemKey(item);
      const missing = surplus.get(key) ?? 0;
      const way = missing < 0 ? wayOf(item, library, this.#tls) : undefined;
      if (!way) continue;
      const backend = await start(node, way, settingsOf(item));
      this.#log.debug(way.running(backend.address));
      this.#running.set(key, [...(this.#running.get(key) ?? []), backend]);
      surplus.set(key, missing + 1);
    }
  }
}

async function start(
  node: Netceptor,
  { backend, listens }: Way,
  settings: BackendSettings,
): Promise<RunningBackend> {
  if (listens && !(listens.port >= 0 && listens.port <= 65_535))
    throw configError(
      `${listens.network === 'tcp' ? 'listen tcp: ' : ''}address ${listens.port}: invalid port`,
    );
  try {
    return await node.addBackend(backend, settings);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const cause = error.cause instanceof Error ? error.cause : undefined;
    if (!listens || !cause) throw configError(error.message, error);
    const { host, port, network } = listens;
    throw listenError(host, `${host.includes(':') ? `[${host}]` : host}:${port}`, cause, network);
  }
}

function wayOf(item: ConfigItem, library: Library, tls: TlsProfiles): Way | undefined {
  switch (item.section) {
    case 'tcp-listener': {
      const { bindaddr: host, port } = item.settings;
      const options = { ...tlsListener(tls, item.settings.tls), host: wildcard(host), port };
      return {
        backend: new library.TcpListener(options),
        running: (address) => `Listening on TCP ${address}`,
        listens: { network: 'tcp', host, port },
      };
    }
    case 'udp-listener': {
      const { bindaddr: host, port } = item.settings;
      return {
        backend: new library.UdpListener({ host: wildcard(host), port }),
        running: (address) => `Listening on UDP ${address}`,
        listens: { network: 'udp', host, port },
      };
    }
    case 'ws-listener': {
      const { bindaddr: host, port, path } = item.settings;
      const options = { ...tlsListener(tls, item.settings.tls), host: wildcard(host), port, path };
      return {
        backend: new library.WebSocketListener(options),
        running: (address) => `Listening on Websocket ${address} path ${path}`,
        listens: { network: 'tcp', host, port },
      };
    }
    case 'tcp-peer': {
      const { address, redial } = item.settings;
      const options = { ...tlsDialler(tls, item.settings.tls), address, redial };
      return {
        backend: new library.TcpDialler(options),
        running: () => `Running TCP peer connection ${address}`,
      };
    }
    case 'udp-peer': {
      const { address, redial } = item.settings;
      return {
        backend: new library.UdpDialler({ address, redial }),
        running: () => `Running UDP peer connection ${address}`,
      };
    }
    case 'ws-peer': {
      const { address, redial, extraheader } = item.settings;
      const options = { ...tlsDialler(tls, item.settings.tls), address, redial, extraHeader: extraheader };
      return {
        backend: new library.WebSocketDialler(options),
        running: () => `Running Websocket peer connection ${address}`,
      };
    }
    default:
      return undefined;
  }
}

function settingsOf({ settings }: ConfigItem): BackendSettings {
  return {
    ...('cost' in settings && { cost: settings.cost }),
    ...('nodecost' in settings && { nodeCost: settings.nodecost }),
    ...('allowedpeers' in settings &&
      settings.allowedpeers.length > 0 && { allowedPeers: settings.allowedpeers }),
  };
}

function tlsListener({ servers }: TlsProfiles, name: string) {
  const profile = servers.get(name);
  return profile && { tls: profile.listenerOptions() };
}

function tlsDialler({ clients }: TlsProfiles, name: string) {
  const profile = clients.get(name);
  return profile && { tls: () => profile.diallerOptions() };
}

/** As with Go, every address of IPv4 stands for those of IPv6 too. */
const wildcard = (host: string): string => (host === '0.0.0.0' || host === '::' ? '' : host);
