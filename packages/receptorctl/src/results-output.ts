import { WorkState } from '@receptor/protocol';
import { isAnswer } from './answer.js';
import type { Call } from './call.js';
import { Failure } from './failure.js';

/**
 * Copies a unit's output to stdout, at the pace of whoever reads that, until the unit has ended.
 * @throws Failure in the words of the Python client when there is no output to be had, or the unit failed
 */
export async function printResults({ client, output, signal }: Call, unitId: string): Promise<void> {
  try {
    const results = client.results(unitId);
    for await (const chunk of results) await output.bytes(chunk, signal);
    const { State, Detail } = results.unit ?? {};
    // The empty line after it is the Python client's.
    if (State === WorkState.Failed) throw new UnitFailure(`Remote unit failed: ${Detail}\n`);
  } catch (cause) {
    throw isAnswer(cause) ? new Failure(1, `Failed to get results: ${cause.message}`, { cause }) : cause;
  }
}

/** The unit whose output was printed failed. */
export class UnitFailure extends Failure {
  constructor(message: string) {
    super(1, message);
  }
}
