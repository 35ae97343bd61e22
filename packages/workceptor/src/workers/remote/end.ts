import { encodeCommand, errorFromReply, isErrorLine, ReceptorError } from '@receptor/protocol';
import type { RemoteAccess } from './access.js';
import type { RemoteExtraData } from './extra-data.js';
import { Retry } from './retry.js';
import { isLoss, RemoteSession } from './session.js';

const REPLY_MS = 20_000;

/** What is known of a unit on another node that is to be ended. */
export type RemoteEnd = Pick<
  RemoteExtraData,
  'RemoteNode' | 'RemoteWorkType' | 'RemoteUnitID' | 'SignWork' | 'TLSClient' | 'IdempotencyKey'
>;

/** What there is, or may be, on the other node; undefined when it never got the submit. */
export function remoteEnd(extra: RemoteExtraData): RemoteEnd | undefined {
  const { RemoteNode, RemoteWorkType, RemoteUnitID, SignWork, TLSClient, IdempotencyKey } = extra;
  if (RemoteUnitID === '' && !(extra.SubmitSent && IdempotencyKey !== undefined)) return undefined;
  const known = { RemoteNode, RemoteWorkType, RemoteUnitID, SignWork, TLSClient };
  return IdempotencyKey === undefined ? known : { ...known, IdempotencyKey };
}

/**
 * Cancels or releases a unit on another node: one try. A unit that is gone is what was wanted.
 * @throws ReceptorError a loss (see `isLoss`), or what the node refused it with
 */
export async function endRemoteUnit(
  access: RemoteAccess,
  end: RemoteEnd,
  subcommand: 'cancel' | 'release',
  signal: AbortSignal,
): Promise<void> {
  const unitId = end.RemoteUnitID || (await findUnit(access, end, signal));
  if (unitId === undefined) return;
  const session = await RemoteSession.open(access, end, signal);
  try {
    await session.request({ command: 'work', subcommand, unitId, ...(await signatureFor(access, end)) });
  } catch (error) {
    if (isLoss(error)) throw error;
    if (!(error instanceof ReceptorError)) throw error;
    if (error.code === 'RECEPTOR_UNKNOWN_UNIT') return;
    throw new ReceptorError(error.code, `error cancelling remote unit: ${error.message}`, { cause: error });
  } finally {
    session.close();
  }
}

/** Releases a unit on another node, however long it takes to reach that. @throws ReceptorError what the node refused it with */
export async function freeRemoteUnit(
  access: RemoteAccess,
  end: RemoteEnd,
  signal: AbortSignal,
): Promise<void> {
  const retry = new Retry(access, end.RemoteNode);
  while (!signal.aborted) {
    try {
      await retry.during(() => endRemoteUnit(access, end, 'release', signal));
      return;
    } catch (error) {
      if (signal.aborted) return;
      if (!isLoss(error)) throw error;
    }
    await retry.wait(signal);
  }
}

/** A token for a command, where the unit is signed for. */
export async function signatureFor(
  access: RemoteAccess,
  { SignWork, RemoteNode }: Pick<RemoteExtraData, 'SignWork' | 'RemoteNode'>,
): Promise<{ signature?: string }> {
  return SignWork ? { signature: await access.sign(RemoteNode) } : {};
}

/**
 * The ID of a unit whose submit got no answer. A node of ours knows it by its name; where it has none of that name, this makes
 * one that will not be started for want of a payload. A Go node cannot tell.
 */
async function findUnit(
  access: RemoteAccess,
  end: RemoteEnd,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { RemoteNode, RemoteWorkType, IdempotencyKey } = end;
  const session = await RemoteSession.open(access, end, signal);
  try {
    if (IdempotencyKey === undefined || !(await session.abilities()).has('idempotencykey')) return undefined;
    await session.write(
      encodeCommand({
        command: 'work',
        subcommand: 'submit',
        node: RemoteNode,
        workType: RemoteWorkType,
        parameters: {},
        idempotencyKey: IdempotencyKey,
        ...(await signatureFor(access, end)),
      }),
    );
    const line = await session.readLine(REPLY_MS);
    if (!isErrorLine(line)) return /"unitid":"(\w+)"|with ID (\w+)\./.exec(line)?.slice(1).find(Boolean);
    if (isLoss(errorFromReply(line))) throw errorFromReply(line);
    return undefined;
  } finally {
    session.close();
  }
}
