import {
  encodeReply,
  parseDurationMs,
  ReceptorError,
  unitCreatedLine,
  type WorkSubmitCommand,
} from '@receptor/protocol';
import type { Origin, Submission, Workceptor } from '@receptor/workceptor';
import type { CommandContext } from '../../command.js';
import { isOwnNode } from '../../node-view.js';
import { checkSignature } from './signature.js';

/**
 * Runs the dialogue of `work submit` (reference: control, 7): the unit's ID, then the payload up to the client's end,
 * then the result. A unit whose payload breaks off fails and is not started.
 */
export async function runSubmit(
  workceptor: Workceptor,
  nodeId: string,
  command: WorkSubmitCommand,
  context: CommandContext,
): Promise<string> {
  const submission = isOwnNode(command.node, nodeId)
    ? await allocate(workceptor, command, context.origin)
    : await allocateRemote(workceptor, command, context.origin);
  if (submission.started) return encodeReply({ result: 'Job Started', unitid: submission.id });
  try {
    await context.write(unitCreatedLine(submission.id));
  } catch (error) {
    await submission.abandon(error instanceof Error ? error.message : String(error));
    throw error;
  }
  await submission.receive(context.payload());
  const result = (await submission.start()) === 'pending' ? 'Job Submitted' : 'Job Started';
  return encodeReply({ result, unitid: submission.id });
}

async function allocate(
  workceptor: Workceptor,
  { workType, parameters, signature, ttl, idempotencyKey }: WorkSubmitCommand,
  origin: Origin,
): Promise<Submission> {
  const verifies = workceptor.workTypes().some((type) => type.WorkType === workType && type.Secure);
  checkSignature(verifies, signature, origin);
  if (ttl !== undefined)
    throw new ReceptorError('RECEPTOR_BAD_COMMAND', 'ttl option is intended for remote work only');
  return workceptor.allocate({
    workType,
    parameters,
    origin,
    ...(idempotencyKey !== undefined && { idempotencyKey }),
  });
}

async function allocateRemote(
  workceptor: Workceptor,
  command: WorkSubmitCommand,
  origin: Origin,
): Promise<Submission> {
  const { node, workType, parameters, signature, ttl, tlsClient, signWork = false, idempotencyKey } = command;
  // This node signs for nobody in the mesh who could not sign it himself.
  checkSignature(signWork && origin === 'mesh', signature, origin);
  return workceptor.allocateRemote({
    node,
    workType,
    parameters,
    signWork,
    ...(tlsClient !== undefined && { tlsClient }),
    ...(idempotencyKey !== undefined && { idempotencyKey }),
    ...(ttl !== undefined && { ttlMs: parseDurationMs(ttl) }),
  });
}
