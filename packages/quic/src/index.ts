/**
 * QUIC without sockets: an endpoint takes in datagrams and gives out datagrams, its connections carry Duplex streams.
 *
 * ```ts
 * const server = new QuicEndpoint({ send: (datagrams) => datagrams.forEach((d) => client.receive(d, 'server')) });
 * const client = new QuicEndpoint({ send: (datagrams) => datagrams.forEach((d) => server.receive(d, 'client')) });
 * server.listen({ protocols: ['echo'], identity, onConnection: serve });
 * const connection = await client.connect('server', { protocols: ['echo'], verifyPeer });
 * const stream = await connection.openStream();
 * ```
 *
 * @module
 */
export { type Clock, systemClock } from './clock.js';
export {
  QuicConnection,
  type QuicConnectionEvents,
  type QuicStatistics,
  type StreamOptions,
} from './connection.js';
export { QuicEndpoint } from './endpoint.js';
export type {
  ConnectOptions,
  ListenOptions,
  QuicEndpointOptions,
  VerifyPeer,
} from './endpoint-options.js';
export {
  CERTIFICATE_ALERTS,
  type CertificateAlert,
  CertificateRefused,
  QUIC_ERROR_CODES,
  QuicError,
  type QuicErrorCode,
  type QuicErrorDetails,
} from './errors.js';
export { identityFromPem, type QuicIdentity, type TransportOptions } from './settings.js';
export { QuicStream } from './stream.js';
export { warmUp } from './warm-up.js';
