import {
  encodeReply,
  encodeUnitReply,
  encodeWorkListReply,
  type WorkEndCommand,
  type WorkListCommand,
  type WorkStatusCommand,
} from '@receptor/protocol';
import type { Workceptor } from '@receptor/workceptor';
import type { CommandContext } from '../../command.js';
import { checkSignature } from './signature.js';

/** Answers `work list` (reference: control, 6). */
export async function listReply(workceptor: Workceptor, { unitId }: WorkListCommand): Promise<string> {
  return encodeWorkListReply(
    unitId === undefined ? workceptor.list() : { [unitId]: await workceptor.status(unitId) },
  );
}

/** Answers `work status` (reference: control, 6). */
export async function unitStatusReply(
  workceptor: Workceptor,
  { unitId }: WorkStatusCommand,
): Promise<string> {
  return encodeUnitReply(await workceptor.status(unitId));
}

/** Runs `work cancel`, `work release` and `work force-release` (reference: control, 6). */
export async function runEnd(
  workceptor: Workceptor,
  { subcommand, unitId, signature }: WorkEndCommand,
  context: CommandContext,
): Promise<string> {
  const type = await workceptor.workTypeOf(unitId);
  checkSignature(type?.verifiesSignature ?? false, signature, context.origin);
  if (subcommand === 'cancel') {
    await workceptor.cancel(unitId);
    return encodeReply({ cancelled: unitId });
  }
  await workceptor.release(unitId, { force: subcommand === 'force-release' });
  return encodeReply({ released: unitId });
}
