import { streamingLine, type WorkResultsCommand } from '@receptor/protocol';
import type { Workceptor } from '@receptor/workceptor';
import type { CommandContext } from '../../command.js';
import { checkSignature } from './signature.js';

/** Runs `work results` (reference: control, 8): a line, then the unit's output, live, until it is complete. */
export async function runResults(
  workceptor: Workceptor,
  { unitId, startPos, signature }: WorkResultsCommand,
  context: CommandContext,
): Promise<undefined> {
  checkSignature(await workceptor.verifiesSignature(unitId), signature, context.origin);
  const results = await workceptor.results(unitId, startPos, context.signal);
  context.discardInput();
  await context.write(streamingLine(unitId));
  try {
    await results.pipeTo(context.output);
  } catch (error) {
    // An error line would pass for output.
    context.breakOff(error);
  }
}
