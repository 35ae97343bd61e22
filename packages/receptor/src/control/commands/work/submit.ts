import {
  encodeReply,
  parseDurationMs,
  ReceptorError,
  unitCreatedLine,
  type WorkSubmitCommand,
} from '@receptor/protocol';
import type { Submission } from '@receptor/workceptor';
import type { CommandContext } from '../../command.js';
import { isOwnNode } from '../../node-view.js';
import { sendEvents } from './follow.js';
import { checkSignature, type WorkSubjects } from './signature.js';

/**
 * Runs the dialogue of `work submit` (reference: control, 7): the unit's ID, then the payload up to the client's end,
 * then the result. A unit whose payload breaks off fails and is not started.
 */
export async function runSubmit(
  subjects: WorkSubjects,
  command: WorkSubmitCommand,
  context: CommandContext,
): Promise<string | undefined> {
  const submission = isOwnNode(command.node, subjects.nodeId)
    ? await allocate(subjects, command, context)
    : await allocateRemote(subjects, command, context);
  if (submission.started) return encodeReply({ result: 'Job Started', unitid: submission.id });
  try {
    await context.write(unitCreatedLine(submission.id));
  } catch (error) {
    await submission.abandon(error instanceof Error ? error.message : String(error));
    throw error;
  }
  await submission.receive(context.payload());
  const result = (await submission.start()) === 'pending' ? 'Job Submitted' : 'Job Started';
  const reply = encodeReply({ result, unitid: submission.id });
  if (!command.thenFollow) return reply;
  const events = await subjects.workceptor.follow(submission.id, 0, context.signal);
  await context.write(reply);
  await sendEvents(events, context);
  return undefined;
}

async function allocate(
  subjects: WorkSubjects,
  { workType, parameters, signature, ttl, idempotencyKey }: WorkSubmitCommand,
  context: CommandContext,
): Promise<Submission> {
  const { workceptor } = subjects;
  const verifies = workceptor.workTypes().some((type) => type.WorkType === workType && type.Secure);
  await checkSignature(subjects, verifies, signature, context);
  if (ttl !== undefined)
    throw new ReceptorError('RECEPTOR_BAD_COMMAND', 'ttl option is intended for remote work only');
  return workceptor.allocate({
    workType,
    parameters,
    origin: context.origin,
    ...(idempotencyKey !== undefined && { idempotencyKey }),
  });
}

async function allocateRemote(
  subjects: WorkSubjects,
  command: WorkSubmitCommand,
  context: CommandContext,
): Promise<Submission> {
  const { node, workType, parameters, signature, ttl, tlsClient, signWork = false, idempotencyKey } = command;
  // This node signs for nobody in the mesh who could not sign it himself.
  await checkSignature(subjects, signWork && context.origin === 'mesh', signature, context);
  return subjects.workceptor.allocateRemote({
    node,
    workType,
    parameters,
    signWork,
    ...(tlsClient !== undefined && { tlsClient }),
    ...(idempotencyKey !== undefined && { idempotencyKey }),
    ...(ttl !== undefined && { ttlMs: parseDurationMs(ttl) }),
  });
}
