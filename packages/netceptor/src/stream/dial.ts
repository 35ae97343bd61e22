import {
  CertificateRefused,
  type ConnectOptions,
  QuicError,
  type QuicStream,
  type VerifyPeer,
} from '@receptor/quic';
import type { Clock } from '../clock.js';
import { MeshError } from '../errors.js';
import type { Logger } from '../logger.js';
import type { PacketConnection } from '../packet/packet-connection.js';
import { problemError } from '../packet/ping.js';
import { isInsecure } from '../tls/insecure.js';
import type { Refusal, TlsClientProfile } from '../tls/profile.js';
import { Problem } from '../wire/unreachable.js';
import type { KnownPaths } from './known-paths.js';
import { closeAfter, closeWhenUnreachable, type Lingering } from './lifetime.js';
import { CloseCode, encodeRemote, openTransport, PROTOCOLS } from './transport.js';

/** The first byte of a stream, by which the other side knows of it. */
const HELLO = Buffer.from([0]);

/**
 * Milliseconds for which a service is kept after its stream: what the other side has sent meanwhile needs no answer, and a Go
 * node logs every answer as a warning.
 */
const SILENCE = 1000;

/** Where a stream is to lead, and with what. */
export interface DialContext {
  readonly packets: PacketConnection;
  /** The own node. */
  readonly nodeId: string;
  readonly node: string;
  readonly service: string;
  readonly tls: TlsClientProfile | undefined;
  readonly clock: Clock;
  readonly log: Logger;
  readonly lingering: Lingering;
  readonly paths: KnownPaths;
  readonly signal: AbortSignal | undefined;
}

/** Throws what makes the handshake fail with the alert that says so. */
export function throwRefusal(refusal: Refusal | undefined): void {
  if (refusal) throw new CertificateRefused(refusal.text, refusal.alert);
}

/** Opens a stream to a service (reference: mesh, 5.2). Owns the packet connection, whatever comes of it. */
export async function dialStream(context: DialContext): Promise<QuicStream> {
  const { packets, service, clock, log, lingering, paths, signal } = context;
  // Answers come from the node by its own name.
  const node = context.node.toLowerCase() === 'localhost' ? context.nodeId : context.node;
  const failure = new AbortController();
  const fail = (error: MeshError): void => failure.abort(error);
  const endpoint = openTransport(
    packets,
    clock,
    paths,
    (error) => fail(new MeshError(error.code, `INTERNAL_ERROR (local): ${error.message}`, { cause: error })),
    packets.wholePayload(node),
  );
  let closed = false;
  const release = (): void => {
    endpoint.close(CloseCode.normal, 'normal close');
    if (!closed)
      packets.once(
        'close',
        clock.schedule(SILENCE, () => packets.close()),
      );
  };
  packets.once('close', () => {
    closed = true;
    endpoint.close(CloseCode.failed, 'netceptor shutdown');
  });
  packets.on('unreachable', ({ toNode, toService, problem }) => {
    if (toNode !== node || toService !== service || failure.signal.aborted) return;
    if (problem === Problem.serviceUnknown)
      log.warning(`remote service ${service} to node ${node} is unreachable`);
    // An expired message can be one of a moment when ways were changing.
    if (problem !== Problem.expired) fail(problemError(problem));
  });
  try {
    const connection = await endpoint.connect(encodeRemote(node, service), {
      ...tlsOptions(context, node),
      protocols: PROTOCOLS,
      signal: signal ? AbortSignal.any([signal, failure.signal]) : failure.signal,
    });
    const stream = await connection.openStream();
    stream.write(HELLO);
    closeAfter(stream, connection, { clock, lingering, paths, dialled: true });
    connection.once('close', release);
    closeWhenUnreachable(packets, new Map([[connection.remote, new Set([connection])]]), clock);
    return stream;
  } catch (error) {
    release();
    throw dialError(failure.signal.aborted ? failure.signal.reason : error, signal);
  }
}

function dialError(error: unknown, signal: AbortSignal | undefined): unknown {
  if (signal?.aborted)
    return new MeshError('RECEPTOR_MESH_ABORTED', 'context canceled', { cause: signal.reason });
  if (!(error instanceof QuicError)) return error;
  const code =
    error.code === 'QUIC_TLS'
      ? 'RECEPTOR_MESH_TLS'
      : error.code === 'QUIC_HANDSHAKE_TIMEOUT'
        ? 'RECEPTOR_MESH_TIMEOUT'
        : 'RECEPTOR_MESH_STREAM';
  return new MeshError(code, error.message, { cause: error });
}

type TlsPart = Pick<ConnectOptions, 'identity' | 'serverName' | 'verifyPeer'>;

function tlsOptions({ tls, nodeId, clock }: DialContext, node: string): TlsPart {
  if (!tls) {
    const verifyPeer: VerifyPeer = (chain) => {
      if (!chain.some(isInsecure)) throw new CertificateRefused('insecure connection to secure service');
    };
    return { verifyPeer, serverName: nodeId };
  }
  const verifyPeer: VerifyPeer = (chain) => throwRefusal(tls.refuseService(chain, node, clock.now()));
  return tls.identity ? { verifyPeer, identity: tls.identity } : { verifyPeer };
}
