import type { Backend, BackendSettings, Netceptor, RunningBackend } from '@receptor/netceptor';
import type { Logger } from '@receptor/workceptor';
import { type ConfigItem, configError } from './config/item.js';
import type { SectionName } from './config/sections/index.js';
import { InForce } from './in-force.js';
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
  readonly #inForce: InForce<RunningBackend>;

  constructor(node: OwnNode, tls: TlsProfiles, log: Logger) {
    this.#inForce = new InForce({
      start: async (item) => {
        const joined = await node.join();
        const way = wayOf(item, await import('@receptor/netceptor'), tls);
        const backend = await start(joined, way, settingsOf(item));
        log.debug(way.running(backend.address));
        return backend;
      },
      stop: (backend) => backend.stop(),
    });
  }

  /**
   * Makes the links those of the configuration: ends what is not in it any more, then opens ports and begins to dial. What has
   * not changed is left alone.
   * @throws ReceptorError `RECEPTOR_CONFIG_INVALID` in the words of the Go daemon
   */
  apply(items: readonly ConfigItem[]): Promise<void> {
    return this.#inForce.apply(items.filter(({ section }) => BACKENDS.has(section)));
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

function wayOf(item: ConfigItem, library: Library, tls: TlsProfiles): Way {
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
      throw new Error(`${item.section} is no backend`);
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
