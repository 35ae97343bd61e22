import { decodeReply, ReceptorError, WorkState } from '@receptor/protocol';
import type { RemoteAccess } from './access.js';
import { signatureFor } from './end.js';
import type { RemoteExtraData } from './extra-data.js';
import type { RemoteRecord } from './record.js';
import { isLoss, type RemoteSession } from './session.js';

/** What a node says of units that it has not started, and will not. */
const NEVER_STARTED = /^(?:Error reading input data: |Pending at restart$|Failed to restart: )/;
const WAITING = 'Waiting for Input Data';

/** Whether a unit runs on the other node cannot be found out: it is not to be submitted again. */
export class SubmitUncertain extends Error {}

/**
 * Finds out whether a node that does not know submits by their names has started a unit, after the connection was lost. Such a
 * node starts nothing before the end of the payload, which it is not told before the record says so. What it has of a
 * unit that it did not start is removed there, so that the submit may be repeated.
 * @throws SubmitUncertain; ReceptorError a loss (see `isLoss`)
 */
export async function hasStarted(
  session: RemoteSession,
  record: RemoteRecord,
  access: RemoteAccess,
): Promise<boolean> {
  const { RemoteUnitID: unitId, EndWithheld = false } = record.extra;
  if (unitId === '') {
    if (EndWithheld) return false;
    throw uncertain(record.extra);
  }
  const unit = await statusOf(session, unitId);
  const waits = unit?.State === WorkState.Pending && unit.Detail === WAITING;
  if (waits && !EndWithheld)
    throw new ReceptorError('RECEPTOR_CONNECTION_LOST', `unit ${unitId} there still waits for its payload`);
  const never = unit?.State === WorkState.Failed && NEVER_STARTED.test(unit.Detail);
  if (unit && !waits && !never) {
    if (EndWithheld) throw uncertain(record.extra);
    return true;
  }
  if (!unit && !EndWithheld) throw uncertain(record.extra);
  await record.changeDurably({ EndWithheld: true });
  if (unit) await remove(session, record, access);
  await record.changeDurably({ RemoteUnitID: '' });
  return false;
}

async function statusOf(session: RemoteSession, unitId: string) {
  const command = { command: 'work', subcommand: 'status', unitId } as const;
  try {
    return decodeReply(command, await session.request(command));
  } catch (error) {
    if (error instanceof ReceptorError && error.code === 'RECEPTOR_UNKNOWN_UNIT') return undefined;
    throw error;
  }
}

async function remove(session: RemoteSession, { extra, unit }: RemoteRecord, access: RemoteAccess) {
  const { RemoteNode, RemoteUnitID: unitId } = extra;
  try {
    const signature = await signatureFor(access, extra);
    await session.request({ command: 'work', subcommand: 'release', unitId, ...signature });
  } catch (error) {
    if (isLoss(error) || !(error instanceof ReceptorError)) throw error;
    unit.log.warning(`Unit ${unitId} on ${RemoteNode}, never started, cannot be released: ${error.message}`);
  }
}

function uncertain({ RemoteNode, RemoteUnitID }: RemoteExtraData): SubmitUncertain {
  return new SubmitUncertain(
    RemoteUnitID === ''
      ? `the connection to ${RemoteNode} was lost while the work was submitted; whether it runs there is not known`
      : `the connection to ${RemoteNode} was lost while the payload was sent; unit ${RemoteUnitID} there may have got a part of it`,
  );
}
