import type { X509Certificate } from 'node:crypto';
import type { Clock } from './clock.js';
import type { QuicConnection } from './connection.js';
import { QuicError } from './errors.js';
import type { QuicIdentity, TransportOptions } from './settings.js';

/**
 * Judges the peer's certificate chain, within the handshake: it throws to refuse it, best a {@link CertificateRefused},
 * whose alert the peer gets. It must not call into the endpoint or its connections.
 *
 * @param chain the peer's certificate, then what it sent with it; never empty
 * @param remote the peer's address
 */
export type VerifyPeer = (chain: X509Certificate[], remote: string) => void;

/** Options of a {@link QuicEndpoint}. */
export interface QuicEndpointOptions {
  /**
   * Takes datagrams to be sent to one destination. Each begins with `headroom` bytes for a header of the caller's; they
   * are the caller's to keep. Returning false stops the endpoint until {@link QuicEndpoint.resume}: it is how a
   * congested link holds it back.
   */
  send(datagrams: Buffer[], destination: string): unknown;
  /** Bytes left free at the start of each datagram. Default 0. */
  headroom?: number;
  /** The largest datagram that is sent and received, without the headroom: 1200 to 65527. Default 16348. */
  maxDatagramSize?: number;
  /**
   * Bytes of datagrams that have reached a peer before, with which connections then begin; what does not arrive is found
   * out as ever. 0 where that is not known, which is the default: connections then begin small, and try.
   */
  knownDatagramSize?(peer: string): number;
  /** Connections at once, beyond which new ones are refused. Default 10,000. */
  maxConnections?: number;
  /** Where time comes from. Default the process's. */
  clock?: Clock;
}

/** Options of {@link QuicEndpoint.connect}. */
export interface ConnectOptions extends TransportOptions {
  /** The protocols to offer (ALPN). */
  protocols: readonly string[];
  /** Judges the server's certificate. */
  verifyPeer: VerifyPeer;
  /** Shown when the server asks for a certificate. */
  identity?: QuicIdentity;
  /** The server name to send (SNI); what is no valid one is replaced by `name.invalid`. Default none. */
  serverName?: string;
  /** Ends the attempt; has no effect on a connection that is established. */
  signal?: AbortSignal;
}

/** Options of {@link QuicEndpoint.listen}. */
export interface ListenOptions extends TransportOptions {
  /** The protocols that are accepted (ALPN). */
  protocols: readonly string[];
  /** The certificate to show. */
  identity: QuicIdentity;
  /** Whether clients are asked for a certificate, and whether they must have one. Default 'ignore'. */
  clientCertificates?: 'ignore' | 'request' | 'require';
  /** Judges the certificates of clients; needed unless they are ignored. */
  verifyPeer?: VerifyPeer;
  /** Gets each connection when its handshake is complete. */
  onConnection(connection: QuicConnection): void;
  /** Told of each handshake that failed. */
  onFailure?(error: QuicError, remote: string): void;
}

/** Throws QUIC_INVALID for an option that is no whole number or out of range. */
export function whole(name: string, value: number, least: number, most: number): number {
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw new QuicError('QUIC_INVALID', `${name} must be a whole number of ${least} to ${most}, not ${value}`);
}
