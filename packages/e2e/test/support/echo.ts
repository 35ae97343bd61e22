import { createHash, randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import type { DaemonProcess } from '@receptor/e2e';
import { ReceptorClient, type UnitReport } from '@receptor/protocol';

/** A work type that gives back its payload, in a cluster that the submit names. */
export const ECHO_TYPE = {
  'work-kubernetes': {
    worktype: 'echo',
    authmethod: 'runtime',
    allowruntimeauth: true,
    allowruntimecommand: true,
    image: 'busybox',
    command: 'cat',
  },
};

/** What came of a payload that a pod sent back. */
export interface Echo {
  unitId: string;
  unit: UnitReport;
  /** Whether every byte came back, in order, and nothing else. */
  identical: boolean;
  /** By how many bytes the daemon's resident memory grew, at its highest. */
  grewBy: number;
}

const memory = (pid: number, name: 'VmRSS' | 'VmHWM') =>
  Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;

/**
 * Sends a random payload to a unit that is `cat`, while its results are read, and measures the daemon meanwhile. A small
 * unit goes before it, so that what is loaded for Kubernetes does not count.
 */
export async function echo(
  daemon: DaemonProcess,
  size: number,
  parameters: Record<string, string>,
): Promise<Echo> {
  const client = new ReceptorClient(daemon.socket);
  try {
    const first = await client.submitWork({ workType: 'echo', parameters, payload: 'small' });
    for await (const _ of client.results(first.unitid));
    await client.releaseWork(first.unitid);
    return await measure(daemon, client, size, parameters);
  } finally {
    client.close();
  }
}

async function measure(
  daemon: DaemonProcess,
  client: ReceptorClient,
  size: number,
  parameters: Record<string, string>,
): Promise<Echo> {
  const piece = randomBytes(1 << 20);
  const sent = createHash('sha256');
  function* payload() {
    for (let left = size, i = 0; left > 0; left -= piece.length, i++) {
      piece.writeUInt32BE(i);
      const chunk = Buffer.from(piece.subarray(0, left));
      sent.update(chunk);
      yield chunk;
    }
  }
  const before = memory(daemon.pid, 'VmRSS');
  // From here on the highest is counted anew.
  writeFileSync(`/proc/${daemon.pid}/clear_refs`, '5');
  const { unitid: unitId } = await client.submitWork({
    workType: 'echo',
    parameters,
    payload: payload(),
  });
  const received = createHash('sha256');
  for await (const chunk of client.results(unitId)) received.update(chunk as Buffer);
  const unit = await client.workStatus(unitId);
  const grewBy = memory(daemon.pid, 'VmHWM') - before;
  return { unitId, unit, identical: sent.digest('hex') === received.digest('hex'), grewBy };
}
