import { readdirSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { residentMB } from '../bench/process-usage.js';
import { RawClient, readResults, releaseAll, submit } from '../bench/raw-client.js';
import { startDaemon, temporaryDirectory } from '../index.js';

const LANES = 16;
const SAMPLES = 20;
/** What the heap of a process that leaks nothing may still swing by, in MB. */
const SWING_MB = 15;

interface Sample {
  units: number;
  perSecond: number;
  residentMB: number;
  handles: number;
}

/**
 * Submits, reads and releases many short units, and looks whether the daemon grows: in memory, or in open handles.
 * @returns what was found wrong
 */
export async function runUnits(count: number): Promise<string[]> {
  const directory = await temporaryDirectory();
  const daemon = await startDaemon({
    directory: directory.path,
    sections: [{ 'work-command': { worktype: 'cat', command: 'cat' } }],
  });
  const faults: string[] = [];
  const samples: Sample[] = [];
  try {
    console.log(`${count} short units, ${LANES} at a time\n   units  units/s  resident MB  handles`);
    for (let sample = 1; sample <= SAMPLES; sample += 1) {
      const share = Math.ceil((count * sample) / SAMPLES) - (samples.at(-1)?.units ?? 0);
      const since = performance.now();
      faults.push(...(await runShare(daemon.socket, share)));
      const perSecond = (share * 1000) / (performance.now() - since);
      // What is being closed is no growth.
      await delay(300);
      const units = (samples.at(-1)?.units ?? 0) + share;
      samples.push({ units, perSecond, residentMB: residentMB(daemon.pid), handles: handlesOf(daemon.pid) });
      console.log(line(samples.at(-1)));
    }
    const client = await RawClient.open(daemon.socket);
    const left = Object.keys(JSON.parse(await client.command('work list')) as object).length;
    client.close();
    if (left > 0) faults.push(`${left} released units are still listed`);
    const onDisk = readdirSync(daemon.unitsDirectory).filter((name) => !name.startsWith('.')).length;
    if (onDisk > 0) faults.push(`${onDisk} directories of released units are left`);
    faults.push(...growth(samples));
  } finally {
    await daemon.stop();
    await directory.remove();
  }
  return faults;
}

async function runShare(socket: string, count: number): Promise<string[]> {
  const faults: string[] = [];
  let left = count;
  const lane = async () => {
    while (left > 0) {
      left -= 1;
      const payload = Buffer.from(`unit ${left}\n`);
      const id = await submit(socket, 'cat', payload);
      const { bytes } = await readResults(socket, id);
      if (bytes !== payload.length) faults.push(`unit ${id}: ${bytes} of ${payload.length} bytes`);
      await releaseAll(socket, [id]);
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  return faults;
}

/** Compares the end with the state after a quarter, when whatever is set up once has been. */
function growth(samples: readonly Sample[]): string[] {
  const [early, last] = [samples[samples.length >> 2], samples.at(-1)];
  if (!early || !last) return [];
  const faults: string[] = [];
  const grown = last.residentMB - early.residentMB;
  console.log(`Growth from unit ${early.units} to ${last.units}: ${grown.toFixed(1)} MB.`);
  if (grown > SWING_MB) faults.push(`memory has grown by ${grown.toFixed(1)} MB`);
  if (last.handles > early.handles + 2) faults.push(`handles: ${early.handles}, then ${last.handles}`);
  return faults;
}

const handlesOf = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length;

function line(sample: Sample | undefined): string {
  if (!sample) return '';
  const { units, perSecond, residentMB: resident, handles } = sample;
  return [
    String(units).padStart(8),
    perSecond.toFixed(0).padStart(9),
    resident.toFixed(1).padStart(13),
    String(handles).padStart(9),
  ].join('');
}
