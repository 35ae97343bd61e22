import { open } from 'node:fs/promises';
import { encodeCommand, errorFromReply, isErrorLine, ReceptorError } from '@receptor/protocol';
import type { RemoteAccess } from './access.js';
import { type RemoteExtraData, withoutSecrets } from './extra-data.js';
import { hasStarted } from './lost-submit.js';
import type { RemoteRecord } from './record.js';
import { isLoss, type RemoteSession } from './session.js';

const PIECE = 256 * 1024;
/** How long a node may take to make a unit, and to start it once it has the payload. */
const REPLY_MS = 60_000;

/**
 * Makes a node start a unit: one try (reference: work, 5.1). It may be repeated, also by another process: a node of ours
 * knows the submit by its name, and any other is asked what became of the one before.
 * @returns whether the node goes on to tell over the session what happens to the unit (see `receiveFrames`)
 * @throws ReceptorError a loss (see `isLoss`); what the node refused it with
 * @throws SubmitUncertain
 */
export async function submit(
  session: RemoteSession,
  record: RemoteRecord,
  access: RemoteAccess,
): Promise<boolean> {
  const abilities = record.extra.IdempotencyKey === undefined ? NONE : await session.abilities();
  const repeatable = abilities.has('idempotencykey');
  const thenFollow = repeatable && abilities.has('thenfollow');
  if (repeatable) return attempt(session, record, access, { repeatable, thenFollow });
  // A Go node without a way to here gives up its end of the connection, and cannot say so.
  const stopListening = access.onAppeared(record.extra.RemoteNode, () => session.close());
  try {
    return await attempt(session, record, access, { repeatable, thenFollow });
  } finally {
    stopListening();
  }
}

async function attempt(
  session: RemoteSession,
  record: RemoteRecord,
  access: RemoteAccess,
  { repeatable, thenFollow }: { repeatable: boolean; thenFollow: boolean },
): Promise<boolean> {
  if (record.extra.SubmitSent && !repeatable && (await hasStarted(session, record, access))) {
    await record.change(started(record.extra));
    return false;
  }
  const { extra } = record;
  const line = encodeCommand({ ...(await commandOf(extra, access, repeatable)), thenFollow });
  // Where the name tells, the disk need not be waited for.
  const change = async (members: Partial<RemoteExtraData>) => {
    if (repeatable) void record.change(members);
    else await record.changeDurably(members);
  };
  await change({ SubmitSent: true, EndWithheld: !repeatable });
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
  if (!repeatable) await record.changeDurably({ EndWithheld: false });
  await session.endInput();
  await confirm(session);
  await record.change(started(extra));
  return thenFollow;
}

const NONE: ReadonlySet<string> = new Set();

/** What changes when a unit has been started: its secrets are of no more use here. */
function started({ RemoteParams }: RemoteExtraData): Partial<RemoteExtraData> {
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

async function confirm(session: RemoteSession): Promise<void> {
  const line = await session.readLine(REPLY_MS);
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
