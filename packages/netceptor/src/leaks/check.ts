import { existsSync, readdirSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { collector } from './collector.js';

/** What a process holds. */
export interface Holding {
  /** Sockets, servers, timers and the like, by kind. */
  readonly resources: ReadonlyMap<string, number>;
  /** Open files and sockets; undefined where the system does not tell. */
  readonly descriptors: number | undefined;
  /** In use after garbage collection, in bytes. */
  readonly memory: number;
}

/** Something that is done many times, and of which nothing may be left. */
export interface Phase {
  readonly name: string;
  readonly count: number;
  /** How many are done before what there is is looked at; a tenth when left out. */
  readonly warmUp?: number;
  run(count: number): Promise<void>;
}

/** What a phase has left behind. */
export interface PhaseResult {
  readonly before: Holding;
  readonly after: Holding;
  /** What is left that should not be; empty when nothing is. */
  readonly faults: readonly string[];
}

/** How patient and how strict a check is. */
export interface CheckOptions {
  /** Milliseconds for what takes its time, such as connections that drain. */
  readonly patience?: number;
  /** Milliseconds in which nothing may change before it is said what there is at the start. */
  readonly quiet?: number;
  /** Bytes that memory may be more, whatever the count: caches fill up, code is compiled. */
  readonly tolerance?: number;
}

const POLL = 100;

function countResources(): Map<string, number> {
  const resources = new Map<string, number>();
  for (const kind of process.getActiveResourcesInfo()) resources.set(kind, (resources.get(kind) ?? 0) + 1);
  return resources;
}

function countDescriptors(): number | undefined {
  return existsSync('/proc/self/fd') ? readdirSync('/proc/self/fd').length : undefined;
}

/**
 * Runs a phase twice: a part of it first, so that what is made once has been made, and then the whole. Afterwards there may be no
 * more of anything than before both, and no more memory in use than between them.
 */
export async function checkPhase(phase: Phase, options: CheckOptions = {}): Promise<PhaseResult> {
  const { patience = 60_000, quiet = 4000, tolerance = 4 * 1024 * 1024 } = options;
  const collect = collector();
  const hold = (): Holding => {
    collect();
    collect();
    const { heapUsed, external } = process.memoryUsage();
    return { resources: countResources(), descriptors: countDescriptors(), memory: heapUsed + external };
  };
  await untilQuiet(quiet, patience);
  const resting = { resources: countResources(), descriptors: countDescriptors(), memory: 0 };
  const isBack = () => {
    const now = { resources: countResources(), descriptors: countDescriptors(), memory: 0 };
    return compare(resting, now, tolerance).length === 0;
  };
  await phase.run(phase.warmUp ?? Math.ceil(phase.count / 10));
  // Connections that drain take longer the more there are: quiet alone does not say that they are gone.
  for (const started = Date.now(); !isBack() && Date.now() - started < patience; ) await delay(POLL);
  const before: Holding = { ...resting, memory: hold().memory };
  await phase.run(phase.count);
  let after = hold();
  let faults = compare(before, after, tolerance);
  for (const started = Date.now(); faults.length > 0 && Date.now() - started < patience; ) {
    await delay(POLL);
    // Memory is looked at when all else is back: collecting garbage stops the world.
    if (!isBack()) continue;
    after = hold();
    faults = compare(before, after, tolerance);
  }
  // What is told is what is there now, and not what there was when it was first looked at.
  if (faults.length > 0) {
    after = hold();
    faults = compare(before, after, tolerance);
  }
  return { before, after, faults };
}

async function untilQuiet(quiet: number, patience: number): Promise<void> {
  const started = Date.now();
  let last = '';
  for (
    let since = started;
    Date.now() - since < quiet && Date.now() - started < patience;
    await delay(POLL)
  ) {
    const now = JSON.stringify([...countResources(), countDescriptors()]);
    if (now !== last) since = Date.now();
    last = now;
  }
}

function compare(before: Holding, after: Holding, tolerance: number): string[] {
  const faults: string[] = [];
  for (const [kind, count] of after.resources) {
    const had = before.resources.get(kind) ?? 0;
    if (count > had) faults.push(`${kind}: ${had} before, ${count} after`);
  }
  if ((after.descriptors ?? 0) > (before.descriptors ?? 0))
    faults.push(`open descriptors: ${before.descriptors} before, ${after.descriptors} after`);
  if (after.memory - before.memory > tolerance)
    faults.push(`memory: ${mebibytes(before.memory)} MiB before, ${mebibytes(after.memory)} MiB after`);
  return faults;
}

/** Bytes for people. */
export function mebibytes(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(1);
}
