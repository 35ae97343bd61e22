import { randomBytes, randomInt } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { isComplete, type ReceptorClient, ReceptorError } from '@receptor/protocol';
import { residentMB } from '../bench/process-usage.js';
import { receptor, temporaryDirectory } from '../index.js';
import { Line, type Node } from './line.js';

const NODES = 4;
const LANES = 16;
const CUT_EVERY_MS = 1500;
const KILL_EVERY_MS = 4000;
/** How long a unit may take, with all that happens to its nodes. */
const PATIENCE_MS = 180_000;
/** What the memory of a process that leaks nothing may still swing by, in MB. */
const SWING_MB = 30;

/**
 * Has many short units done by the last of four nodes in a line, submitted at the first, while links are cut at random and,
 * if that is wanted, nodes are killed. Each unit has to run once, to be known as Succeeded with its whole output at the first
 * node, and to be gone at both when it was released.
 * @returns what was found wrong
 */
export async function runRemote(count: number, kills: boolean): Promise<string[]> {
  const directory = await temporaryDirectory();
  const ledger = join(directory.path, 'ledger');
  const stop = new AbortController();
  const faults: string[] = [];
  const line = await Line.start({
    directory: directory.path,
    programs: Array.from({ length: NODES }, () => receptor),
    sections: [{ 'work-command': { worktype: 'sh', command: 'sh' } }],
    cuttable: true,
  });
  const { nodes, links, first, last } = line;
  try {
    console.log(
      `${count} short units over ${NODES} nodes, ${LANES} at a time; links are cut${kills ? ', nodes killed' : ''}`,
    );
    const trouble = { cuts: 0, kills: 0 };
    const troubling = Promise.all([
      repeat(CUT_EVERY_MS, stop.signal, async () => {
        links[randomInt(links.length)]?.cut();
        trouble.cuts += 1;
      }),
      ...(kills
        ? [
            repeat(KILL_EVERY_MS, stop.signal, async () => {
              await nodes[randomInt(nodes.length)]?.restart();
              trouble.kills += 1;
            }),
          ]
        : []),
    ]);
    const early = await runShare(first, last, Math.ceil(count / 4), ledger, faults);
    // A node that was killed begins anew.
    const before = kills ? [] : nodes.map(usage);
    await runShare(first, last, count - early, ledger, faults);
    stop.abort();
    await troubling;
    console.log(`${count} units, ${trouble.cuts} cuts, ${trouble.kills} kills`);
    await delay(1000);
    if (!kills) faults.push(...growth(before, nodes.map(usage)));
    faults.push(...(await leftBehind([first, last])));
    faults.push(...judgeLedger(ledger, count));
  } finally {
    stop.abort();
    await line.end();
    await directory.remove();
  }
  return faults;
}

async function runShare(
  first: Node,
  last: Node,
  count: number,
  ledger: string,
  faults: string[],
): Promise<number> {
  let left = count;
  const lane = async () => {
    while (left > 0) {
      left -= 1;
      const name = randomBytes(8).toString('hex');
      try {
        await runUnit(first, last.id, name, ledger);
      } catch (error) {
        faults.push(`unit ${name}: ${error instanceof Error ? error.message : error}`);
      }
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  return count;
}

async function runUnit(first: Node, node: string, name: string, ledger: string): Promise<void> {
  const since = Date.now();
  const idempotencyKey = randomBytes(16).toString('hex');
  const payload = `echo ${name} >>${ledger}; echo ${name}; sleep 0.1; echo end`;
  const { unitid } = await persistently(first, since, (client) =>
    client.submitWork({ node, workType: 'sh', payload, idempotencyKey }),
  );
  for (;;) {
    const unit = await persistently(first, since, (client) => client.workStatus(unitid));
    if (isComplete(unit.State)) {
      if (unit.Detail !== 'exit status 0') throw new Error(`${unit.StateName}: ${unit.Detail}`);
      break;
    }
    if (Date.now() - since > PATIENCE_MS) throw new Error(`still ${unit.StateName}: ${unit.Detail}`);
    await delay(100);
  }
  // The client goes on by itself where they broke off, but not for as long as a node may be away here.
  const output = await persistently(first, since, (client) => outputOf(client, unitid));
  if (output !== `${name}\nend\n`) throw new Error(`has put out ${JSON.stringify(output)}`);
  await persistently(first, since, async (client) => {
    try {
      await client.releaseWork(unitid);
    } catch (error) {
      // The reply to an earlier try was lost.
      if (!(error instanceof ReceptorError && error.code === 'RECEPTOR_UNKNOWN_UNIT')) throw error;
    }
  });
}

async function outputOf(client: ReceptorClient, unitid: string): Promise<string> {
  let output = '';
  for await (const chunk of client.results(unitid)) output += chunk;
  return output;
}

/** Asks again while the node itself is away. */
async function persistently<T>(
  node: Node,
  since: number,
  call: (client: ReceptorClient) => Promise<T>,
): Promise<T> {
  for (;;) {
    try {
      return await call(node.client);
    } catch (error) {
      const away =
        error instanceof ReceptorError && /_(CONNECT_FAILED|CONNECTION_LOST|ABORTED)$/.test(error.code);
      if (!away || Date.now() - since > PATIENCE_MS) throw error;
    }
    await delay(200);
  }
}

async function repeat(everyMs: number, signal: AbortSignal, act: () => Promise<void>): Promise<void> {
  while (!signal.aborted) {
    await delay(everyMs * (0.5 + Math.random()), undefined, { signal }).catch(() => undefined);
    if (!signal.aborted) await act();
  }
}

interface Usage {
  readonly megabytes: number;
  readonly handles: number;
}

const usage = ({ daemon }: Node): Usage => ({
  megabytes: residentMB(daemon.pid),
  handles: readdirSync(`/proc/${daemon.pid}/fd`).length,
});

function growth(before: readonly Usage[], after: readonly Usage[]): string[] {
  return after.flatMap(({ megabytes, handles }, number) => {
    const early = before[number] ?? { megabytes: 0, handles: 0 };
    console.log(
      `node${number}: ${early.megabytes.toFixed(0)} MB, then ${megabytes.toFixed(0)}; ${early.handles} handles, then ${handles}`,
    );
    return [
      ...(megabytes - early.megabytes > SWING_MB ? [`the memory of node${number} has grown`] : []),
      // Before, units were under way.
      ...(handles > early.handles + 5 ? [`the handles of node${number} have become more`] : []),
    ];
  });
}

/** Units that are still known although they were released; what was left to be done later is given the time. */
async function leftBehind(nodes: readonly Node[]): Promise<string[]> {
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    const listed = await Promise.all(nodes.map((node) => node.client.workList()));
    const left = listed.flatMap((units, i) => Object.keys(units).map((id) => `${id} at ${nodes[i]?.id}`));
    if (left.length === 0) return [];
    if (Date.now() > end) return [`released units are left: ${left.join(', ')}`];
    await delay(500);
  }
}

function judgeLedger(ledger: string, count: number): string[] {
  const entries = existsSync(ledger) ? readFileSync(ledger, 'utf8').split('\n').slice(0, -1) : [];
  const names = new Set(entries);
  const faults: string[] = [];
  if (names.size !== entries.length)
    faults.push(`${entries.length - names.size} units have run more than once`);
  if (names.size !== count) faults.push(`${names.size} of ${count} units have run`);
  return faults;
}
