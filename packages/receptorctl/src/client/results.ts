import { setTimeout as sleep } from 'node:timers/promises';
import { errorFromReply, isComplete, isErrorLine, ReceptorError, type UnitReport } from '@receptor/protocol';
import type { Connection } from './connection.js';

/** How to read a unit's output. */
export interface ResultsOptions {
  /** Bytes to leave out at the beginning. */
  startPos?: number;
  /** Milliseconds to go on trying to resume a stream that was cut and brings nothing more; 30000 unless given. */
  resumeTimeout?: number;
  signal?: AbortSignal;
}

/** What reading results needs of a client. */
export interface ResultsSource {
  /** Asks for the output from a position; the connection is then positioned behind the daemon's line. */
  open(unitId: string, startPos: number): Promise<Connection>;
  unit(unitId: string): Promise<UnitReport>;
}

const FIRST_DELAY = 100;
const LONGEST_DELAY = 2000;

/**
 * Checks the line before a unit's output.
 * @throws ReceptorError what the daemon said instead
 */
export async function readStreamingLine(connection: Connection): Promise<void> {
  const line = await connection.readLine();
  if (line.startsWith('Streaming results for work unit ')) return;
  throw isErrorLine(line)
    ? errorFromReply(line)
    : new ReceptorError('RECEPTOR_PROTOCOL', `unexpected reply to work results: ${line.slice(0, 200)}`);
}

const isBroken = (error: unknown) =>
  error instanceof ReceptorError
    ? error.code === 'RECEPTOR_CONNECT_FAILED' || error.code === 'RECEPTOR_CONNECTION_LOST'
    : error instanceof Error && 'code' in error && /^E[A-Z]/.test(String(error.code));

/**
 * A unit's output until the unit has ended and all of it is here. The end of a stream proves nothing, for a daemon
 * that is killed ends it as well; the unit's state and size decide.
 * @returns the unit as it was at the end
 */
export async function* readResults(
  source: ResultsSource,
  unitId: string,
  options: ResultsOptions,
): AsyncGenerator<Buffer, UnitReport> {
  const { startPos = 0, resumeTimeout = 30_000, signal } = options;
  let position = startPos;
  let first = true;
  let delay = FIRST_DELAY;
  let lastProgress = performance.now();
  let broken: unknown;
  for (;;) {
    try {
      const connection = await source.open(unitId, position);
      first = false;
      for await (const chunk of connection.stream as AsyncIterable<Buffer>) {
        position += chunk.length;
        lastProgress = performance.now();
        delay = FIRST_DELAY;
        yield chunk;
      }
      const unit = await source.unit(unitId);
      if (isComplete(unit.State) && position >= unit.StdoutSize) return unit;
      broken = undefined;
    } catch (error) {
      if (first || signal?.aborted || !isBroken(error)) throw error;
      broken = error;
    }
    if (performance.now() - lastProgress > resumeTimeout) {
      const message = `the output of work unit ${unitId} broke off at byte ${position}`;
      throw new ReceptorError('RECEPTOR_CONNECTION_LOST', message, { cause: broken });
    }
    await sleep(delay, undefined, signal ? { signal } : {});
    delay = Math.min(delay * 2, LONGEST_DELAY);
  }
}
