import { readdirSync, readFileSync } from 'node:fs';

const TICKS_PER_SECOND = 100;

/** CPU seconds of a process and of those of its children that have ended and been waited for. */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = [11, 12, 13, 14].reduce((sum, index) => sum + Number(fields[index]), 0);
  return ticks / TICKS_PER_SECOND;
}

/** Resident memory of a process, in MB. */
export function residentMB(pid: number): number {
  return kilobytes(readFileSync(`/proc/${pid}/status`, 'latin1'), 'VmRSS') / 1024;
}

/**
 * Memory, in MB, of a process's helpers: its descendants whose command line matches. What several processes share counts
 * for each with its share of it.
 */
export function memoryOfDescendantsMB(pid: number, matches: (commandLine: string) => boolean): number {
  let sum = 0;
  for (const child of childrenOf(pid)) {
    try {
      if (matches(readFileSync(`/proc/${child}/cmdline`, 'latin1')))
        sum += kilobytes(readFileSync(`/proc/${child}/smaps_rollup`, 'latin1'), 'Pss') / 1024;
    } catch {
      // It has ended.
      continue;
    }
    sum += memoryOfDescendantsMB(child, matches);
  }
  return sum;
}

function childrenOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((task) =>
      readFileSync(`/proc/${pid}/task/${task}/children`, 'latin1').split(' ').filter(Boolean).map(Number),
    );
  } catch {
    return [];
  }
}

function kilobytes(text: string, name: string): number {
  const value = new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1];
  if (value === undefined) throw new Error(`the system does not say ${name}`);
  return Number(value);
}
