import { createSocket, type Socket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { isIP } from 'node:net';
import type { PacketConnection } from '@receptor/netceptor';
import { configError } from '../config/item.js';
import type { Settings } from '../config/sections/index.js';
import { listenError } from '../listeners/tcp.js';
import { Expiring } from './expiring.js';
import { listenProblem } from './proxy.js';
import { type Service, type ServiceContext, textOf } from './service.js';

/** A mapping nobody used for this long is forgotten, in milliseconds. */
const IDLE = 300_000;
/** Mappings of a service at once; each has a socket, or a name on the mesh. */
const MAX_MAPPINGS = 2000;

/** How long mappings are kept, and how many; a test has less patience. */
export interface MappingLimits {
  readonly idle: number;
  readonly count: number;
}

const LIMITS: MappingLimits = { idle: IDLE, count: MAX_MAPPINGS };

/**
 * Leads datagrams from a local port to a service of the mesh (reference: mesh, 8). Each sender has a name on the mesh of its
 * own, so that answers find back to it.
 * @throws ReceptorError `RECEPTOR_CONFIG_INVALID` when nothing can listen there
 */
export async function udpServer(
  { port, bindaddr, remotenode, remoteservice }: Settings<'udp-server'>,
  { netceptor, log }: ServiceContext,
  { idle, count }: MappingLimits = LIMITS,
): Promise<Service> {
  const socket = await bind(port, bindaddr);
  const senders = new Expiring<PacketConnection>(idle, count, (packets) => packets.close());
  socket.on('error', (error) => log.error(`Error reading from UDP: ${error.message}`));
  socket.on('message', (payload, from) => {
    const packets = senders.use(`${from.address} ${from.port}`, () => {
      const opened = netceptor.openPacket();
      opened.on('packet', (packet) => {
        if (packet.fromNode !== remotenode || packet.fromService !== remoteservice) return;
        socket.send(packet.payload, from.port, from.address, (error) => {
          if (error) log.warning(`Error sending to UDP: ${error.message}`);
        });
      });
      opened.on('unreachable', ({ problem }) =>
        log.warning(`Packet to ${remotenode}:${remoteservice} was not delivered: ${problem}`),
      );
      return opened;
    });
    send(packets, payload, remotenode, remoteservice, log);
  });
  return {
    async close() {
      senders.clear();
      socket.close();
      await once(socket, 'close');
    },
  };
}

/**
 * Leads packets for a service of this node to a UDP address (reference: mesh, 8). Each sender has a socket of its own. One
 * that was told that nobody is there is made anew for the next packet.
 * @throws ReceptorError `RECEPTOR_CONFIG_INVALID` when the name of the service is taken or the address is none
 */
export async function udpClient(
  { service, address }: Settings<'udp-client'>,
  { netceptor, log }: ServiceContext,
  { idle, count }: MappingLimits = LIMITS,
): Promise<Service> {
  const { ConnectionType } = await import('@receptor/netceptor');
  const target = await resolveUdp(address);
  let packets: PacketConnection;
  try {
    packets = netceptor.openPacket(service, {
      connectionType: ConnectionType.datagram,
      tags: new Map([
        ['type', 'UDP Proxy'],
        ['address', address],
      ]),
    });
  } catch (error) {
    throw listenProblem(error);
  }
  const sockets = new Expiring<Socket>(idle, count, (socket) => socket.close());
  packets.on('packet', ({ payload, fromNode, fromService }) => {
    const key = JSON.stringify([fromNode, fromService]);
    const socket = sockets.use(key, () => {
      const opened = createSocket(target.family === 6 ? 'udp6' : 'udp4');
      opened.on('error', (error) => {
        log.warning(`Error on the UDP connection to ${address}: ${error.message}`);
        sockets.delete(key, opened);
      });
      opened.on('message', (answer) => send(packets, answer, fromNode, fromService, log));
      opened.connect(target.port, target.address);
      return opened;
    });
    whenConnected(socket, () => socket.send(payload));
  });
  return {
    async close() {
      packets.close();
      sockets.clear();
    },
  };
}

/** A packet that cannot be sent is lost, as one is that goes astray; the log tells why. */
function send(
  packets: PacketConnection,
  payload: Buffer,
  node: string,
  service: string,
  log: ServiceContext['log'],
): void {
  try {
    packets.send(payload, node, service);
  } catch (error) {
    log.warning(`Error sending packet to ${node}:${service}: ${textOf(error)}`);
  }
}

function whenConnected(socket: Socket, act: () => void): void {
  try {
    socket.remoteAddress();
    act();
  } catch {
    socket.once('connect', act);
  }
}

async function bind(port: number, host: string): Promise<Socket> {
  const socket = createSocket({ type: isIP(host) === 6 ? 'udp6' : 'udp4', reuseAddr: false });
  try {
    socket.bind(port, host);
    await once(socket, 'listening');
    return socket;
  } catch (error) {
    throw listenError(host, `${host}:${port}`, error as NodeJS.ErrnoException, 'udp');
  }
}

async function resolveUdp(text: string): Promise<{ address: string; family: number; port: number }> {
  const { parseHostPort } = await import('@receptor/netceptor');
  try {
    const { host, port } = parseHostPort(text);
    return { ...(await lookup(host)), port };
  } catch (error) {
    throw configError(`could not resolve UDP address ${text}: ${textOf(error)}`, error);
  }
}
