import { open } from 'node:fs/promises';
import { encodeCommand, errorFromReply, isErrorLine, ReceptorError } from '@receptor/protocol';
import type { RemoteAccess } from './access.js';
import { type RemoteExtraData, withoutSecrets } from './extra-data.js';
import type { RemoteRecord } from './record.js';
import { isLoss, type RemoteSession } from './session.js';

const PIECE = 256 * 1024;
/** How long a node may take to make a unit, and to start it once it has the payload. */
const REPLY_MS = 60_000;

/** The other node was lost, and whether the unit runs there will never be known: it is not to be submitted again. */
export class SubmitUncertain extends Error {}

/**
 * Makes a node start a unit: one try (reference: work, 5.1). Towards a node of ours it may be repeated, also by another
 * process, for both know the submit by its name; a Go node that was lost meanwhile may have started it.
 * @returns whether the node goes on to tell over the session what happens to the unit (see `receiveFrames`)
 * @throws ReceptorError a loss (see `isLoss`) when the submit may be repeated; what the node refused it with
 * @throws SubmitUncertain
 */
export async function submit(
  session: RemoteSession,
  record: RemoteRecord,
  access: RemoteAccess,
): Promise<boolean> {
  const { extra } = record;
  const abilities = extra.IdempotencyKey === undefined ? NONE : await session.abilities();
  const repeatable = abilities.has('idempotencykey');
  const thenFollow = repeatable && abilities.has('thenfollow');
  if (extra.SubmitSent && !repeatable) throw uncertain(record.extra);
  const line = encodeCommand({ ...(await commandOf(extra, access, repeatable)), thenFollow });
  // A submit that may be repeated need not wait for the disk.
  const change = async (members: Partial<RemoteExtraData>) => {
    if (repeatable) void record.change(members);
    else await record.changeDurably(members);
  };
  await change({ SubmitSent: true });
  try {
    await session.write(line);
    const created = await session.readLine(REPLY_MS);
    const known = startedUnit(created);
    if (known !== undefined) {
      await record.change({ RemoteUnitID: known, ...started(extra) });
      return false;
    }
    const [, unitId] = /with ID ([a-zA-Z0-9]{1,64})\./.exec(created) ?? [];
    if (unitId === undefined) throw refused(created);
    await change({ RemoteUnitID: unitId });
    await sendPayload(session, record.unit.stdinPath);
    const whole = await session.endInput();
    await confirm(session, whole && !repeatable);
    await record.change(started(extra));
    return thenFollow;
  } catch (error) {
    if (isLoss(error) && !repeatable) throw uncertain(record.extra);
    throw error;
  }
}

const NONE: ReadonlySet<string> = new Set();

/** What changes when a unit has been started: its secrets are of no more use here. */
export function started({ RemoteParams }: RemoteExtraData): Partial<RemoteExtraData> {
  return { RemoteStarted: true, RemoteParams: withoutSecrets(RemoteParams) };
}

async function commandOf(extra: RemoteExtraData, access: RemoteAccess, repeatable: boolean) {
  const { RemoteNode, RemoteWorkType, RemoteParams, SignWork, IdempotencyKey } = extra;
  return {
    command: 'work' as const,
    subcommand: 'submit' as const,
    node: RemoteNode,
    workType: RemoteWorkType,
    parameters: RemoteParams,
    ...(SignWork && { signature: await access.sign(RemoteNode) }),
    ...(repeatable && IdempotencyKey !== undefined && { idempotencyKey: IdempotencyKey }),
  };
}

/** The unit that a node of ours had already started when the submit came again. */
function startedUnit(line: string): string | undefined {
  return /^\{"result":"Job (?:Started|Submitted)","unitid":"([a-zA-Z0-9]{1,64})"\}$/.exec(line)?.[1];
}

async function sendPayload(session: RemoteSession, path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    for (;;) {
      // A buffer of its own each time: the stream may still be sending the one before.
      const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(PIECE), 0, PIECE, null);
      if (bytesRead === 0) return;
      await session.write(buffer.subarray(0, bytesRead));
    }
  } finally {
    await file.close();
  }
}

/** @param delivered the node is known to have the whole payload, and a lost reply changes nothing */
async function confirm(session: RemoteSession, delivered: boolean): Promise<void> {
  let line: string;
  try {
    line = await session.readLine(REPLY_MS);
  } catch (error) {
    if (delivered && isLoss(error)) return;
    throw error;
  }
  if (!isErrorLine(line)) return;
  const { code, message } = errorFromReply(line, 'RECEPTOR_WORK_START_FAILED');
  throw new ReceptorError(code, `error from remote: ${message}`);
}

function refused(line: string): ReceptorError {
  if (isErrorLine(line)) {
    const { code, message } = errorFromReply(line, 'RECEPTOR_WORK_START_FAILED');
    return isLoss(errorFromReply(line))
      ? errorFromReply(line)
      : new ReceptorError(code, `could not parse response: ERROR: ${message}`);
  }
  return new ReceptorError('RECEPTOR_PROTOCOL', `could not parse response: ${line.slice(0, 200)}`);
}

function uncertain({ RemoteNode, RemoteUnitID }: RemoteExtraData): SubmitUncertain {
  return new SubmitUncertain(
    RemoteUnitID === ''
      ? `the connection to ${RemoteNode} was lost while the work was submitted; whether it runs there is not known`
      : `the connection to ${RemoteNode} was lost while the payload was sent; unit ${RemoteUnitID} there may have got a part of it`,
  );
}
