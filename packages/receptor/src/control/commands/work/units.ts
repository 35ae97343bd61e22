import {
  encodeReply,
  encodeUnitReply,
  encodeWorkListReply,
  type WorkEndCommand,
  type WorkListCommand,
  type WorkStatusCommand,
} from '@receptor/protocol';
import type { CommandContext } from '../../command.js';
import { checkSignature, type WorkSubjects } from './signature.js';

/** Answers `work list` (reference: control, 6). */
export async function listReply({ workceptor }: WorkSubjects, { unitId }: WorkListCommand): Promise<string> {
  return encodeWorkListReply(
    unitId === undefined ? workceptor.list() : { [unitId]: await workceptor.status(unitId) },
  );
}

/** Answers `work status` (reference: control, 6). */
export async function unitStatusReply(
  { workceptor }: WorkSubjects,
  { unitId }: WorkStatusCommand,
): Promise<string> {
  return encodeUnitReply(await workceptor.status(unitId));
}

/** Runs `work cancel`, `work release` and `work force-release` (reference: control, 6). */
export async function runEnd(
  subjects: WorkSubjects,
  { subcommand, unitId, signature }: WorkEndCommand,
  context: CommandContext,
): Promise<string> {
  const { workceptor } = subjects;
  await checkSignature(subjects, await workceptor.verifiesSignature(unitId), signature, context);
  if (subcommand === 'cancel') {
    const pending = (await workceptor.cancel(unitId)) === 'pending';
    return encodeReply(pending ? { 'cancel pending': unitId } : { cancelled: unitId });
  }
  const force = subcommand === 'force-release';
  const pending = (await workceptor.release(unitId, { force })) === 'pending';
  return encodeReply(pending ? { 'release pending': unitId } : { released: unitId });
}
