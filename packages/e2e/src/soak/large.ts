import { generateKeyPairSync } from 'node:crypto';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { goReceptor, type Program, receptor, temporaryDirectory } from '../index.js';
import { commandJob, type LargeJob, podJob } from './large-job.js';
import { type LargeSizes, LargeUnit } from './large-unit.js';
import { Line, type Node } from './line.js';

const MEBIBYTE = 1 << 20;

/** Settings of {@link runLarge}. */
export interface LargeOptions extends LargeSizes {
  /** How often a node in the middle is killed, or the link is cut where there is none. */
  troubleEveryMs: number;
  /** Only what has this in its title. */
  only: string;
  /** Where it is, units are pods of its cluster instead of commands. */
  kubeconfig: string;
}

interface LineKind {
  readonly name: string;
  readonly programs: readonly (Program | undefined)[];
}

const [OURS, GO] = [receptor, goReceptor];
const KINDS: readonly LineKind[] = [
  { name: 'ours to ours, 1 hop', programs: [OURS, OURS] },
  { name: 'ours to ours over ours, 3 hops', programs: [OURS, OURS, OURS, OURS] },
  { name: 'ours to ours over Go and ours, 3 hops', programs: [OURS, GO, OURS, OURS] },
  { name: 'ours to Go, 1 hop', programs: [OURS, GO] },
  { name: 'ours to Go over ours and Go, 3 hops', programs: [OURS, OURS, GO, GO] },
  { name: 'Go to ours, 1 hop', programs: [GO, OURS] },
  { name: 'Go to ours over ours and Go, 3 hops', programs: [GO, OURS, GO, OURS] },
];

/**
 * Has a unit with a large payload and a large output done by the last node of a line, submitted at the first, unsigned and signed,
 * while a node in the middle is killed and started again over and over. It has to run once, on the whole payload; its
 * output has to be the same wherever it is, and its state the right one at both nodes.
 * @returns what was found wrong
 */
export async function runLarge(options: LargeOptions): Promise<string[]> {
  const faults: string[] = [];
  console.log(
    `Units with ${options.payloadBytes / 1e6} MB of payload and ${options.resultBytes / MEBIBYTE} MiB of results`,
  );
  for (const { name, programs } of KINDS) {
    if (!programs.every((program) => program !== undefined)) {
      console.log(`${name}: skipped, RECEPTOR_GO does not name a Go daemon`);
      continue;
    }
    for (const signed of [false, true]) {
      const title = `${name}, ${signed ? 'signed' : 'unsigned'}`;
      if (!title.includes(options.only)) continue;
      const found = await runOne(title, programs, signed, options);
      faults.push(...found.map((fault) => `${title}: ${fault}`));
    }
  }
  return faults;
}

async function runOne(
  title: string,
  programs: readonly Program[],
  signed: boolean,
  options: LargeOptions,
): Promise<string[]> {
  const directory = await temporaryDirectory();
  const { kubeconfig, resultBytes } = options;
  const job =
    kubeconfig === ''
      ? commandJob(join(directory.path, 'ledger'), resultBytes)
      : podJob(kubeconfig, resultBytes);
  const line = await Line.start({
    directory: directory.path,
    programs,
    sections: await sectionsOf(directory.path, signed, job),
    cuttable: programs.length === 2,
  });
  const stop = new AbortController();
  const trouble = makeTrouble(line, options, stop.signal);
  // What goes wrong there is told below.
  trouble.catch(() => undefined);
  try {
    const large = new LargeUnit(line, job, title, signed, options);
    const faults = await large.run(programs[0] === GO);
    stop.abort();
    const count = await trouble;
    faults.push(...(await large.judgeRuns()));
    faults.push(...(await large.release()));
    console.log(`${title}: ${large.summary()}; ${count} ${programs.length === 2 ? 'cuts' : 'kills'}`);
    return faults;
  } catch (error) {
    for (const { id, daemon } of line.nodes) console.log(`${id}: ${daemon.log().slice(-2000)}`);
    return [error instanceof Error ? (error.stack ?? error.message) : String(error)];
  } finally {
    stop.abort();
    await trouble.catch(() => undefined);
    await line.end();
    await directory.remove();
  }
}

async function sectionsOf(directory: string, signed: boolean, job: LargeJob): Promise<unknown[]> {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const [signing, verifying] = [join(directory, 'private.pem'), join(directory, 'public.pem')];
  await writeFile(signing, privateKey.export({ format: 'pem', type: 'pkcs1' }), { mode: 0o600 });
  await writeFile(verifying, publicKey.export({ format: 'pem', type: 'spki' }));
  const [name, settings] = job.section;
  return [
    { 'work-signing': { privatekey: signing, tokenexpiration: '1m' } },
    { 'work-verification': { publickey: verifying } },
    { [name]: { worktype: job.workType, verifysignature: signed, ...settings } },
  ];
}

/**
 * Kills the nodes in the middle by turns and starts them again, or cuts the link: once amid the payload, and then over and over.
 * @returns how often it was
 */
async function makeTrouble(line: Line, options: LargeOptions, signal: AbortSignal): Promise<number> {
  const middle = line.nodes.slice(1, -1);
  for (let count = 0; ; count += 1) {
    if (count === 0) await untilReceived(line.last, options.payloadBytes / 3, signal);
    else await delay(options.troubleEveryMs, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return count;
    if (middle.length > 0) await middle[count % middle.length]?.restart();
    else line.links[0]?.cut();
  }
}

async function untilReceived({ daemon }: Node, bytes: number, signal: AbortSignal): Promise<void> {
  const isThere = () =>
    // A node makes it with its first unit.
    existsSync(daemon.unitsDirectory) &&
    readdirSync(daemon.unitsDirectory).some((name) => {
      const file = statSync(join(daemon.unitsDirectory, name, 'stdin'), { throwIfNoEntry: false });
      return file !== undefined && file.size >= bytes;
    });
  while (!signal.aborted && !isThere()) await delay(5);
}
