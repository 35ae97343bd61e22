import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { RawClient, untilComplete } from '../bench/raw-client.js';
import { type DaemonProcess, startDaemon, temporaryDirectory } from '../index.js';

const UNITS = 8;
const OUTPUT = 'first half, second half';
const EXIT_CODE = 3;
/** A kill falls between the first submit and the time by which the units of a round have ended. */
const LATEST_KILL_MS = 300;

/** How far a submit came before the daemon was killed. */
interface Submit {
  name: string;
  id?: string;
  started: boolean;
}

/**
 * Kills the daemon at a random moment of the life of some units, over and over. Each time the next daemon has to find every unit whose
 * ID was given out; one whose start was confirmed has run, once and to its end; no other has run more than once.
 * @returns what was found wrong
 */
export async function runKills(count: number): Promise<string[]> {
  const directory = await temporaryDirectory();
  const ledger = join(directory.path, 'ledger');
  const sections = [{ 'work-command': { worktype: 'sh', command: 'sh' } }];
  const faults: string[] = [];
  const totals = { submitted: 0, confirmed: 0, run: 0 };
  let daemon = await startDaemon({ directory: directory.path, sections });
  try {
    for (let round = 1; round <= count; round += 1) {
      const moment = Math.random() * LATEST_KILL_MS;
      const submits = Array.from({ length: UNITS }, (_, i) => ({ name: `${round}-${i}`, started: false }));
      const submitting = submits.map((each) => submitUnit(daemon.socket, each, ledger).catch(() => {}));
      await delay(moment);
      await daemon.kill();
      await Promise.all(submitting);
      daemon = await startDaemon({ directory: directory.path, sections });
      const found = await judge(daemon, submits, ledger, totals);
      faults.push(...found.map((fault) => `round ${round}, killed after ${moment.toFixed(0)} ms: ${fault}`));
    }
    const { submitted, confirmed, run } = totals;
    console.log(
      `${count} kills: ${submitted} units got an ID, ${confirmed} were confirmed, ${run} have run, once each`,
    );
  } finally {
    await daemon.stop();
    await directory.remove();
  }
  return faults;
}

async function submitUnit(socket: string, submit: Submit, ledger: string): Promise<void> {
  const client = await RawClient.open(socket);
  try {
    const first = await client.command('work submit localhost sh');
    const id = /ID ([A-Za-z0-9]+)\./.exec(first)?.[1];
    if (id === undefined) return;
    submit.id = id;
    const [one, two] = OUTPUT.split(', ');
    client.socket.end(
      `echo ${submit.name} >>${ledger}; printf '${one}, '; sleep 0.1; printf '${two}'; exit ${EXIT_CODE}`,
    );
    submit.started = (await client.line()).includes('Job Started');
  } finally {
    client.close();
  }
}

async function judge(
  daemon: DaemonProcess,
  submits: readonly Submit[],
  ledger: string,
  totals: { submitted: number; confirmed: number; run: number },
): Promise<string[]> {
  const faults: string[] = [];
  const client = await RawClient.open(daemon.socket);
  try {
    const listed = JSON.parse(await client.command('work list')) as Record<string, unknown>;
    for (const id of Object.keys(listed)) await untilComplete(client, id);
    const entries = existsSync(ledger) ? readFileSync(ledger, 'utf8').split('\n') : [];
    for (const { name, id, started } of submits) {
      const runs = entries.filter((entry) => entry === name).length;
      totals.run += runs;
      if (runs > 1) faults.push(`${name} has run ${runs} times`);
      if (id === undefined) continue;
      totals.submitted += 1;
      if (started) totals.confirmed += 1;
      if (!(id in listed)) {
        faults.push(`unit ${id} is lost`);
        continue;
      }
      const status = JSON.parse(await client.command(`work status ${id}`)) as { Detail: string };
      const ended = status.Detail === `exit status ${EXIT_CODE}`;
      if (started && !ended) faults.push(`unit ${id} was confirmed and ended with ${status.Detail}`);
      if (ended !== runs > 0) faults.push(`unit ${id} has run ${runs} times and says ${status.Detail}`);
      const stdout = join(daemon.unitsDirectory, id, 'stdout');
      const output = existsSync(stdout) ? readFileSync(stdout, 'utf8') : '';
      if (runs > 0 && output !== OUTPUT) faults.push(`unit ${id} has put out '${output}'`);
    }
    for (const id of Object.keys(listed)) await client.command(`work release ${id}`);
  } finally {
    client.close();
  }
  return faults;
}
