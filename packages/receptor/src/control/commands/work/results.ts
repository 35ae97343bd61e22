import { streamingLine, type WorkResultsCommand } from '@receptor/protocol';
import type { CommandContext } from '../../command.js';
import { checkSignature, type WorkSubjects } from './signature.js';

/** Runs `work results` (reference: control, 8): a line, then the unit's output, live, until it is complete. */
export async function runResults(
  subjects: WorkSubjects,
  { unitId, startPos, signature }: WorkResultsCommand,
  context: CommandContext,
): Promise<undefined> {
  const { workceptor } = subjects;
  await checkSignature(subjects, await workceptor.verifiesSignature(unitId), signature, context);
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
