import { onAbort } from '../backends/failure.js';
import type { CancelTimer, Clock } from '../clock.js';
import { MeshError, type MeshErrorCode } from '../errors.js';
import { Problem } from '../wire/unreachable.js';
import type { PacketConnection } from './packet-connection.js';
import { MAX_HOPS } from './packet-layer.js';

/** How long to wait for an answer (reference: mesh, 3.5). */
const PING_TIMEOUT = 10_000;

/** A ping that was lost, or that came before the other side knew the way back, is sent again after this long. */
const AGAIN = 1000;

/** What came back from a ping. */
export interface PingResult {
  /** The node that answered, or that said why nothing can; empty when nobody did. */
  readonly from: string;
  /** Milliseconds until then. */
  readonly milliseconds: number;
  /** Why the target did not answer. */
  readonly error?: MeshError;
}

/** The settings of a ping. */
export interface PingOptions {
  /** The links it may go over at most; 30 when left out. */
  readonly hops?: number;
  /** Milliseconds to wait for an answer; 10000 when left out. */
  readonly timeout?: number;
  readonly signal?: AbortSignal;
}

const CODES: Readonly<Record<string, MeshErrorCode>> = {
  [Problem.serviceUnknown]: 'RECEPTOR_MESH_SERVICE_UNKNOWN',
  [Problem.expired]: 'RECEPTOR_MESH_EXPIRED',
  [Problem.blocked]: 'RECEPTOR_MESH_BLOCKED',
};

/** An unreachable's problem as an error. */
export function problemError(problem: string): MeshError {
  return new MeshError(CODES[problem] ?? 'RECEPTOR_MESH_NO_ROUTE', problem);
}

/** Sends an empty packet to the service `ping` of a node, over a connection of its own, and waits for what comes back. */
export function ping(
  connection: PacketConnection,
  own: string,
  target: string,
  clock: Clock,
  { hops = MAX_HOPS, timeout = PING_TIMEOUT, signal }: PingOptions = {},
): Promise<PingResult> {
  const started = clock.now();
  return new Promise((resolve) => {
    let cancelTimer: CancelTimer = () => {};
    let cancelAgain: CancelTimer = () => {};
    let offAbort: () => void = () => {};
    const finish = (from: string, error?: MeshError): void => {
      cancelTimer();
      cancelAgain();
      offAbort();
      connection.removeAllListeners();
      connection.close();
      const result = { from, milliseconds: clock.now() - started };
      resolve(error ? { ...result, error } : result);
    };
    connection.on('packet', ({ fromNode }) => finish(fromNode));
    connection.on('unreachable', ({ reportedBy, problem }) => finish(reportedBy, problemError(problem)));
    connection.on('close', () => finish('', new MeshError('RECEPTOR_MESH_CLOSED', 'netceptor shutdown')));
    cancelTimer = clock.schedule(timeout, () =>
      finish('', new MeshError('RECEPTOR_MESH_TIMEOUT', 'timeout')),
    );
    offAbort = onAbort(signal, () => finish('', new MeshError('RECEPTOR_MESH_ABORTED', 'user cancelled')));
    if (connection.closed) return;
    const send = (): void => {
      try {
        connection.send(Buffer.alloc(0), target, 'ping', hops);
      } catch (error) {
        if (!(error instanceof MeshError)) throw error;
        finish(own, error);
      }
      if (!connection.closed) cancelAgain = clock.schedule(AGAIN, send);
    };
    send();
  });
}

/** Pings with 0, 1, 2 … hops, until the target answers or nothing can be learnt any more (reference: mesh, 3.5). */
export async function* traceroute(
  pingWith: (hops: number) => Promise<PingResult>,
): AsyncGenerator<PingResult> {
  for (let hops = 0; hops <= MAX_HOPS; hops++) {
    const result = await pingWith(hops);
    if (result.error?.code !== 'RECEPTOR_MESH_EXPIRED') {
      yield result;
      return;
    }
    yield { from: result.from, milliseconds: result.milliseconds };
  }
}
