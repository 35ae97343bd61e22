import { type UnitReport, WorkState } from '@receptor/protocol';
import { isAnswer } from './answer.js';
import type { Call } from './call.js';
import { Failure } from './failure.js';

/**
 * Copies a unit's output to stdout, at the pace of whoever reads that, until the unit has ended.
 * @throws Failure in the words of the Python client when there is no output to be had, or the unit failed
 */
export async function printResults({ client, output, signal }: Call, unitId: string): Promise<void> {
  const { State, Detail } = await copy(client.results(unitId, { signal }), (chunk) =>
    output.bytes(chunk),
  ).catch((cause: unknown) => {
    throw isAnswer(cause) ? new Failure(1, `Failed to get results: ${cause.message}`, { cause }) : cause;
  });
  // The empty line after it is the Python client's.
  if (State === WorkState.Failed) throw new UnitFailure(`Remote unit failed: ${Detail}\n`);
}

/** The unit whose output was printed failed. */
export class UnitFailure extends Failure {
  constructor(message: string) {
    super(1, message);
  }
}

async function copy(
  results: AsyncGenerator<Buffer, UnitReport>,
  write: (chunk: Buffer) => Promise<void>,
): Promise<UnitReport> {
  for (;;) {
    const { done, value } = await results.next();
    if (done) return value;
    try {
      await write(value);
    } catch (error) {
      // Nobody reads on: the stream from the daemon ends too. What the generator then returns is of no use.
      await results.return(undefined as never);
      throw error;
    }
  }
}
