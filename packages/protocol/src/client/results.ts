import { setTimeout as delay } from 'node:timers/promises';
import { ReceptorError } from '../errors.js';
import { isComplete, type UnitReport } from '../unit.js';
import { ControlSession } from './session.js';
import type { Transport } from './transport.js';

const FIRST_RETRY_MS = 100;
const LONGEST_RETRY_MS = 5000;

/** How to read results. */
export interface ResultsOptions {
  /** Byte of the output to begin at; default 0. */
  startPos?: number | undefined;
  signal?: AbortSignal | undefined;
  /** For how long to try again after the connection was lost without a byte arriving; milliseconds, default 60,000. */
  patienceMs?: number | undefined;
}

/**
 * A unit's output from `startPos`, live, to its end. A stream that ends is believed only when the unit is complete
 * and all its bytes arrived; otherwise a new connection goes on where the last one stopped (reference: control, 8).
 * @throws ReceptorError `RECEPTOR_UNKNOWN_UNIT`; `RECEPTOR_CONNECTION_LOST` when nothing came for `patienceMs`.
 */
export async function* readResults(
  transport: Transport,
  unitId: string,
  options: ResultsOptions = {},
): AsyncGenerator<Buffer, void, undefined> {
  const { signal, patienceMs = 60_000 } = options;
  let position = Math.max(0, options.startPos ?? 0);
  let retryMs = FIRST_RETRY_MS;
  let patientUntil = Date.now() + patienceMs;
  let reached = false;
  for (;;) {
    try {
      for await (const chunk of onceThrough(transport, unitId, position, signal)) {
        if (chunk === undefined) {
          reached = true;
          continue;
        }
        position += chunk.length;
        retryMs = FIRST_RETRY_MS;
        patientUntil = Date.now() + patienceMs;
        yield chunk;
      }
      if (await isWhole(transport, unitId, position, signal)) return;
    } catch (error) {
      if (!reached || !isLoss(error) || Date.now() >= patientUntil) throw error;
    }
    if (Date.now() >= patientUntil) {
      throw new ReceptorError(
        'RECEPTOR_CONNECTION_LOST',
        `the results of unit ${unitId} stopped at byte ${position}`,
      );
    }
    await delay(retryMs, undefined, signal ? { signal } : {});
    retryMs = Math.min(retryMs * 2, LONGEST_RETRY_MS);
  }
}

/** Loss of the connection, which a new one may mend; anything else is an answer. */
function isLoss(error: unknown): boolean {
  return (
    error instanceof ReceptorError &&
    (error.code === 'RECEPTOR_CONNECTION_LOST' || error.code === 'RECEPTOR_CONNECT_FAILED')
  );
}

/** One connection's worth of output; undefined first, when the daemon has begun to stream. */
async function* onceThrough(
  transport: Transport,
  unitId: string,
  startPos: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Buffer | undefined, void, undefined> {
  const session = await ControlSession.open(transport, signal);
  const stop = () => session.close();
  signal?.addEventListener('abort', stop);
  try {
    const { stream } = await session.hand(
      { command: 'work', subcommand: 'results', unitId, startPos },
      signal,
    );
    yield undefined;
    stream.end();
    try {
      for await (const chunk of stream as AsyncIterable<Buffer>) yield chunk;
    } catch (cause) {
      throw new ReceptorError('RECEPTOR_CONNECTION_LOST', 'the connection was lost', { cause });
    }
    if (signal?.aborted) throw new ReceptorError('RECEPTOR_ABORTED', 'the operation was cancelled');
  } finally {
    signal?.removeEventListener('abort', stop);
    session.close();
  }
}

/** Whether the unit is complete and has no byte after `position`. A unit that is gone has nothing more to say. */
async function isWhole(
  transport: Transport,
  unitId: string,
  position: number,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const session = await ControlSession.open(transport, signal);
  try {
    const unit = await session.command<UnitReport>({ command: 'work', subcommand: 'status', unitId }, signal);
    return isComplete(unit.State) && position >= unit.StdoutSize;
  } catch (error) {
    if (error instanceof ReceptorError && error.code === 'RECEPTOR_UNKNOWN_UNIT') return true;
    throw error;
  } finally {
    session.close();
  }
}
