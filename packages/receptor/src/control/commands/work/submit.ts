import {
  encodeReply,
  parseDuration,
  ReceptorError,
  unitCreatedLine,
  type WorkSubmitCommand,
} from '@receptor/protocol';
import type { Workceptor } from '@receptor/workceptor';
import type { CommandContext } from '../../command.js';
import { isOwnNode } from '../../node-view.js';
import { NO_ROUTE } from '../routes.js';
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
  const { node, workType, parameters, signature } = command;
  const verifies = workceptor.workTypes().some((type) => type.WorkType === workType && type.Secure);
  checkSignature(verifies, signature, context.origin);
  if (!isOwnNode(node, nodeId)) throw remoteRefusal(command);
  if (command.ttl !== undefined)
    throw new ReceptorError('RECEPTOR_BAD_COMMAND', 'ttl option is intended for remote work only');

  const submission = await workceptor.allocate({ workType, parameters, origin: context.origin });
  try {
    await context.write(unitCreatedLine(submission.id));
  } catch (error) {
    await submission.abandon(error instanceof Error ? error.message : String(error));
    throw error;
  }
  await submission.receive(context.payload());
  await submission.start();
  return encodeReply({ result: 'Job Started', unitid: submission.id });
}

/** Why work for another node is refused: first what is wrong with the command itself, then that there is no way. */
function remoteRefusal({ node, tlsClient, ttl, parameters }: WorkSubmitCommand): ReceptorError {
  if (tlsClient !== undefined)
    return new ReceptorError('RECEPTOR_BAD_COMMAND', `unknown TLS config ${tlsClient}`);
  if (Object.keys(parameters).some((name) => name.toLowerCase().startsWith('secret_')))
    return new ReceptorError('RECEPTOR_BAD_COMMAND', 'cannot send secrets over a non-TLS connection');
  if (ttl !== undefined) parseDuration(ttl);
  return new ReceptorError('RECEPTOR_WORK_START_FAILED', `cannot submit work to ${node}: ${NO_ROUTE}`);
}
