import { readFileSync } from 'node:fs';

const TICKS_PER_SECOND = 100;

/** CPU seconds of a process and of those of its children that have ended and been waited for. */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = [11, 12, 13, 14].reduce((sum, index) => sum + Number(fields[index]), 0);
  return ticks / TICKS_PER_SECOND;
}

/** Resident memory of a process, in MB. */
export function residentMB(pid: number): number {
  const kilobytes = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kilobytes) / 1024;
}

/** Resident memory, in MB, of a process's helpers: its descendants whose command line matches. */
export function residentOfDescendantsMB(pid: number, matches: (commandLine: string) => boolean): number {
  let sum = 0;
  const visit = (parent: number) => {
    let children = '';
    try {
      children = readFileSync(`/proc/${parent}/task/${parent}/children`, 'utf8');
    } catch {
      return;
    }
    for (const child of children.split(' ').filter(Boolean).map(Number)) {
      try {
        if (matches(readFileSync(`/proc/${child}/cmdline`, 'utf8'))) sum += residentMB(child);
      } catch {
        continue;
      }
      visit(child);
    }
  };
  visit(pid);
  return sum;
}
