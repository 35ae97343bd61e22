import { formatHostPort, parseHostPort } from '@receptor/netceptor';
import { type ConfigItem, configError } from '../config/item.js';
import type { Settings } from '../config/sections/index.js';
import { listenOnUnixSocket, lockUnixSocket } from '../control/unix-listener.js';
import { listenOnTcp } from '../listeners/tcp.js';
import { connectTcp, connectUnix } from './connect.js';
import { proxyFromMesh, proxyToMesh } from './proxy.js';
import { type Service, type ServiceContext, textOf } from './service.js';

/**
 * Starts the service that a section of the configuration declares.
 * @throws ReceptorError `RECEPTOR_CONFIG_INVALID` when it cannot
 */
export async function startService(item: ConfigItem, context: ServiceContext): Promise<Service> {
  switch (item.section) {
    case 'tcp-server':
      return tcpServer(item.settings, context);
    case 'tcp-client':
      return tcpClient(item.settings, context);
    case 'unix-socket-server':
      return unixSocketServer(item.settings, context);
    case 'unix-socket-client':
      return unixSocketClient(item.settings, context);
    case 'udp-server':
      return (await import('./udp.js')).udpServer(item.settings, context);
    case 'udp-client':
      return (await import('./udp.js')).udpClient(item.settings, context);
    case 'command-service':
      return (await import('./command.js')).commandService(item.settings, context);
    case 'ip-router':
      return (await import('./ip-router/index.js')).ipRouter(item.settings, context);
    default:
      throw new Error(`${item.section} is no service`);
  }
}

function tcpServer(settings: Settings<'tcp-server'>, context: ServiceContext): Promise<Service> {
  const { bindaddr, port, remotenode, remoteservice, tlsserver, tlsclient } = settings;
  const { tls, log } = context;
  return proxyToMesh(
    (accept) =>
      listenOnTcp(formatHostPort(bindaddr, port), accept, log, tls.servers.get(tlsserver)?.listenerOptions()),
    { node: remotenode, service: remoteservice, tls: tls.clients.get(tlsclient) },
    context,
  );
}

async function tcpClient(settings: Settings<'tcp-client'>, context: ServiceContext): Promise<Service> {
  const { service, address, tlsserver, tlsclient } = settings;
  const { tls } = context;
  const target = readAddress(address);
  const outside = tls.clients.get(tlsclient);
  return proxyFromMesh(
    (signal) => connectTcp(target, outside?.diallerOptions(), signal),
    'TCP',
    { service, tls: tls.servers.get(tlsserver), tags: { type: 'TCP Proxy', address } },
    context,
  );
}

async function unixSocketServer(
  settings: Settings<'unix-socket-server'>,
  context: ServiceContext,
): Promise<Service> {
  const { filename, permissions, remotenode, remoteservice, tls } = settings;
  const lock = await lockUnixSocket(filename);
  try {
    const proxy = await proxyToMesh(
      (accept) => listenOnUnixSocket(filename, permissions, accept, context.log),
      { node: remotenode, service: remoteservice, tls: context.tls.clients.get(tls) },
      context,
    );
    return {
      close: async () => {
        await proxy.close();
        lock.release();
      },
    };
  } catch (error) {
    lock.release();
    throw error;
  }
}

async function unixSocketClient(
  { service, filename, tls }: Settings<'unix-socket-client'>,
  context: ServiceContext,
): Promise<Service> {
  return proxyFromMesh(
    (signal) => connectUnix(filename, signal),
    'Unix socket',
    { service, tls: context.tls.servers.get(tls), tags: { type: 'Unix Proxy', filename } },
    context,
  );
}

function readAddress(address: string): { readonly host: string; readonly port: number } {
  try {
    return parseHostPort(address);
  } catch (error) {
    throw configError(textOf(error), error);
  }
}
