import type { TlsListenerOptions } from '../tls/profile.js';

/** How long it may take to connect to a listener, in milliseconds, with all that has to be said first. */
export const DIAL_TIMEOUT = 15_000;
/** Connections of one listener at the same time, so that junk cannot take all descriptors of the process. */
export const MAX_CONNECTIONS = 10_000;
/** How long a caller may take, in milliseconds, until it can begin its session. */
export const HANDSHAKE_TIMEOUT = 10_000;

/** The settings of every listener over TCP. */
export interface ListenerOptions {
  /** 0 for any free port. */
  readonly port: number;
  /** The address to bind to, `0.0.0.0` when left out; empty for every address of IPv4 and IPv6. */
  readonly host?: string;
  /** The certificate to show and the demands on callers; no TLS when left out. */
  readonly tls?: TlsListenerOptions;
  /** Connections at the same time, beyond which no more are accepted; 10000 when left out. */
  readonly maxConnections?: number;
  /** Milliseconds that a caller may take for its TLS handshake, and then for the head of its request; 10000 when left out. */
  readonly handshakeTimeout?: number;
}
