import type { Socket } from 'node:net';
import type { Logger } from '@receptor/workceptor';
import type { ConfigItem } from './config/item.js';
import type { Listener } from './listeners/listener.js';
import { listenOnTcp } from './listeners/tcp.js';
import type { TlsProfiles } from './tls-profiles.js';

/**
 * Opens the ports of the backends of a configuration. No mesh is spoken on them yet: whoever connects is sent away, and no
 * peer is called, because a session that is never begun would only keep the other side busy.
 * @throws ReceptorError `RECEPTOR_CONFIG_INVALID` in the words of the Go daemon
 */
export async function openBackends(
  items: readonly ConfigItem[],
  { servers }: TlsProfiles,
  log: Logger,
): Promise<Listener[]> {
  const listeners: Listener[] = [];
  for (const item of items) {
    if (item.section === 'tcp-listener') {
      const { bindaddr, port, tls } = item.settings;
      const host = bindaddr.includes(':') ? `[${bindaddr}]` : bindaddr;
      const listener = await listenOnTcp(
        `${host}:${port}`,
        (socket) => sendAway(socket, log),
        log,
        servers.get(tls)?.listenerOptions(),
      );
      log.debug(`Listening on TCP ${listener.address}`);
      listeners.push(listener);
    } else if (item.section === 'tcp-peer') {
      log.warning(
        `Not connecting to TCP peer ${item.settings.address}: links between nodes are not available yet`,
      );
    }
  }
  return listeners;
}

function sendAway(socket: Socket, log: Logger): void {
  log.warning('Refused a TCP peer: links between nodes are not available yet');
  socket.on('error', () => {});
  socket.destroy();
}
