import { type Clock as QuicClock, QuicEndpoint } from '@receptor/quic';
import type { CancelTimer, Clock } from '../clock.js';
import { MeshError } from '../errors.js';
import type { PacketConnection } from '../packet/packet-connection.js';
import { DATA_HEADER } from '../wire/data.js';
import { countBytes } from '../young-buffers.js';
import type { KnownPaths } from './known-paths.js';

/** What a stream carries, for TLS to agree on (reference: mesh, 5.2). */
const PROTOCOL = 'netceptor';
/** Offered and preferred between nodes of this implementation: a side that closes leaves the other what it has received. */
const OWN_PROTOCOL = 'netceptor/2';
export const PROTOCOLS: readonly string[] = [OWN_PROTOCOL, PROTOCOL];

/** Whether the other end may be left as soon as it has acknowledged everything: a Go node loses what it has not read yet. */
export const keepsWhatItHas = (protocol: string): boolean => protocol === OWN_PROTOCOL;

/** Codes with which connections and streams end (reference: mesh, 5.3). */
export const CloseCode = { normal: 0, cancelled: 499, failed: 500 } as const;

/**
 * The largest QUIC packet, which is what every kind of link can carry. Peers say how much they take, a Go node 1452, and a packet
 * of a size is tried before others follow.
 */
const MAX_DATAGRAM = 65_471;
/** The smallest that QUIC can do with. */
const MIN_DATAGRAM = 1200;

/** A service of a node, as QUIC's address of a peer. */
export function encodeRemote(node: string, service: string): string {
  return `${service.length}:${service}${node}`;
}

/** The node and the service of an address. */
export function decodeRemote(remote: string): { readonly node: string; readonly service: string } {
  const colon = remote.indexOf(':');
  const end = colon + 1 + Number(remote.slice(0, colon));
  return { node: remote.slice(end), service: remote.slice(colon + 1, end) };
}

/** A clock of the mesh as a clock of QUIC. */
function quicClock(clock: Clock): QuicClock {
  return {
    now: () => clock.now(),
    setTimeout: (callback, milliseconds) => clock.schedule(milliseconds, callback),
    clearTimeout: (timer) => (timer as CancelTimer | undefined)?.(),
  };
}

/**
 * QUIC over a service of packets.
 * @param paths what is known of the ways to other nodes
 * @param onSendError what cannot be sent; QUIC itself takes it for lost
 * @param largest bytes of the largest packet that should be used, both ways
 */
export function openTransport(
  packets: PacketConnection,
  clock: Clock,
  paths: KnownPaths,
  onSendError: (error: MeshError) => void = () => {},
  largest = MAX_DATAGRAM,
): QuicEndpoint {
  const send = (datagrams: Buffer[], destination: string): boolean => {
    const { node, service } = decodeRemote(destination);
    let more = true;
    for (const datagram of datagrams) {
      countBytes(datagram.length);
      try {
        more = packets.sendMessage(datagram, node, service);
      } catch (error) {
        if (!(error instanceof MeshError)) throw error;
        onSendError(error);
      }
    }
    if (!more) packets.whenDrained(() => endpoint.resume());
    return more;
  };
  const endpoint: QuicEndpoint = new QuicEndpoint({
    send,
    headroom: DATA_HEADER,
    maxDatagramSize: Math.max(MIN_DATAGRAM, Math.min(MAX_DATAGRAM, largest)),
    knownDatagramSize: (destination) => paths.size(decodeRemote(destination).node),
    clock: quicClock(clock),
  });
  packets.on('packet', ({ payload, fromNode, fromService }) =>
    endpoint.receive(payload, encodeRemote(fromNode, fromService)),
  );
  return endpoint;
}
