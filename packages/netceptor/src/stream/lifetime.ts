import type { QuicConnection, QuicStream } from '@receptor/quic';
import type { CancelTimer, Clock } from '../clock.js';
import type { PacketConnection } from '../packet/packet-connection.js';
import { Problem } from '../wire/unreachable.js';
import type { KnownPaths } from './known-paths.js';
import { CloseCode, encodeRemote, keepsWhatItHas } from './transport.js';

/** Time for the last acknowledgement to go out. */
const GRACE = 50;
/** How long a connection is kept whose other end may still have to read; see {@link Lingering}. */
const PATIENCE = 600_000;
/** How long a peer may take to show that it is there, once somebody said that it is not. */
const PROOF_OF_LIFE = 2000;

/**
 * Connections whose streams are complete, but whose other ends lose what they have not read when the connection ends. Go
 * nodes keep such connections for ever; here the oldest go when there are too many.
 */
export class Lingering {
  readonly #limit: number;
  readonly #connections = new Set<QuicConnection>();

  constructor(limit = 1000) {
    this.#limit = limit;
  }

  add(connection: QuicConnection): void {
    this.#connections.add(connection);
    connection.once('close', () => this.#connections.delete(connection));
    if (this.#connections.size <= this.#limit) return;
    for (const oldest of this.#connections) {
      oldest.close(CloseCode.normal, 'normal close');
      return;
    }
  }
}

/** What a stream's connection is watched with. */
export interface LifetimeContext {
  readonly clock: Clock;
  readonly lingering: Lingering;
  readonly paths: KnownPaths;
  /** Whether this side dialled: it closes the connection in the end. */
  readonly dialled: boolean;
}

/** Ends the connection when its stream is complete, or given up. */
export function closeAfter(
  stream: QuicStream,
  connection: QuicConnection,
  { clock, lingering, paths, dialled }: LifetimeContext,
): void {
  stream.abortCode = CloseCode.cancelled;
  stream.once('close', () => {
    paths.learn(connection);
    if (connection.error) return;
    const complete = stream.readableEnded && stream.writableFinished && !stream.errored;
    if (!complete) {
      connection.close(CloseCode.cancelled, 'stream cancelled');
      return;
    }
    const own = keepsWhatItHas(connection.protocol);
    if (!own) lingering.add(connection);
    const wait = own && dialled ? GRACE : own ? PROOF_OF_LIFE : PATIENCE;
    const cancel = clock.schedule(wait, () => connection.close(CloseCode.normal, 'normal close'));
    connection.once('close', cancel);
  });
}

/**
 * Ends a connection when its peer is said to be gone and does not speak any more. That anybody says so is not enough: it
 * could be anybody.
 */
export function closeWhenUnreachable(
  packets: PacketConnection,
  connections: ReadonlyMap<string, ReadonlySet<QuicConnection>>,
  clock: Clock,
): void {
  const checks = new Map<QuicConnection, CancelTimer>();
  packets.on('unreachable', ({ toNode, toService, problem }) => {
    if (problem !== Problem.serviceUnknown) return;
    for (const connection of connections.get(encodeRemote(toNode, toService)) ?? []) {
      if (checks.has(connection) || connection.error) continue;
      const before = connection.statistics()?.datagramsReceived;
      const cancel = clock.schedule(PROOF_OF_LIFE, () => {
        checks.delete(connection);
        if (connection.error || connection.statistics()?.datagramsReceived !== before) return;
        connection.close(CloseCode.failed, `remote service ${toService} to node ${toNode} is unreachable`);
      });
      checks.set(connection, cancel);
      connection.once('close', () => {
        checks.get(connection)?.();
        checks.delete(connection);
      });
    }
  });
}
