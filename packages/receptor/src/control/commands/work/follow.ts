import { encodeFrame, followingLine, type WorkFollowCommand } from '@receptor/protocol';
import type { UnitEvent } from '@receptor/workceptor';
import type { CommandContext } from '../../command.js';
import { checkSignature, type WorkSubjects } from './signature.js';

/** The other side takes a silence that is longer than a few of these for the end of the connection. */
const SIGN_OF_LIFE_MS = 4_000;

/** Runs `work follow` (reference: remote work): everything that happens to a unit, as it happens. */
export async function runFollow(
  subjects: WorkSubjects,
  { unitId, startPos, signature }: WorkFollowCommand,
  context: CommandContext,
): Promise<undefined> {
  const { workceptor } = subjects;
  await checkSignature(subjects, await workceptor.verifiesSignature(unitId), signature, context);
  const events = await workceptor.follow(unitId, startPos, context.signal);
  context.discardInput();
  await context.write(followingLine(unitId));
  await sendEvents(events, context);
  return undefined;
}

/** Sends what happens to a unit, until it is complete. */
export async function sendEvents(events: AsyncIterable<UnitEvent>, context: CommandContext): Promise<void> {
  const alive = setInterval(() => {
    if (!context.output.writableNeedDrain) void context.write('\n').catch(() => undefined);
  }, SIGN_OF_LIFE_MS);
  try {
    for await (const event of events) await write(event, context);
  } catch (error) {
    context.breakOff(error);
  } finally {
    clearInterval(alive);
  }
}

async function write(event: UnitEvent, context: CommandContext): Promise<void> {
  if ('status' in event) {
    await context.write(encodeFrame(event));
    return;
  }
  // One after the other, at once: nothing may come between them.
  const header = context.write(encodeFrame({ output: event.output.length }));
  header.catch(() => undefined);
  await context.write(event.output);
}
