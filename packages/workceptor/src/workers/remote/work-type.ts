import { statSync } from 'node:fs';
import { isComplete, ReceptorError } from '@receptor/protocol';
import type { UnitHandle, WorkType } from '../../worker.js';
import type { RemoteAccess } from './access.js';
import { freeRemoteUnit, type RemoteEnd } from './end.js';
import { readExtraData, redactExtraData } from './extra-data.js';
import { RemoteWorker } from './worker.js';

/** Name of the work type of units that other nodes do. It is not offered to anyone. */
export const REMOTE = 'remote';

/** Makes the work type of units that other nodes do. */
export function remoteWorkType(access: RemoteAccess): WorkType {
  return {
    name: REMOTE,
    verifiesSignature: false,
    prepare: () =>
      Promise.reject(new ReceptorError('RECEPTOR_UNKNOWN_WORK_TYPE', `unknown work type ${REMOTE}`)),
    createWorker: (unit: UnitHandle) => new RemoteWorker(unit, access),
    unfinished,
    redact: redactExtraData,
    verifiesUnit: (extraData) => readExtraData(extraData).SignWork,
    free: (leftover, signal) => freeRemoteUnit(access, leftover as RemoteEnd, signal),
  };
}

/** A Go daemon writes a unit's last state before it has all of the output, and keeps units whose release is pending. */
function unfinished({ status, stdoutPath }: UnitHandle): 'resume' | 'release' | undefined {
  const { LocalReleased, RemoteStarted } = readExtraData(status.ExtraData);
  if (LocalReleased) return 'release';
  if (!RemoteStarted || !isComplete(status.State)) return undefined;
  const size = statSync(stdoutPath, { throwIfNoEntry: false })?.size ?? 0;
  return size < status.StdoutSize ? 'resume' : undefined;
}
