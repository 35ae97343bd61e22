import { createHook } from 'node:async_hooks';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

/** Kinds of resources that stay until somebody ends them; promises and single requests are none of these. */
const LASTING = new Set([
  'FSEVENTWRAP',
  'STATWATCHER',
  'PROCESSWRAP',
  'PIPEWRAP',
  'PIPESERVERWRAP',
  'TCPWRAP',
  'TCPSERVERWRAP',
  'TLSWRAP',
  'UDPWRAP',
  'SIGNALWRAP',
  'Timeout',
  'Immediate',
]);
const SETTLE_MS = 2000;

/** Where our own code stands in a stack: the tests' runner has timers and sockets of its own. */
const OURS = /\/packages\/[^/]+\/(src|dist)\//;

/** What is alive of what our code has made since {@link watchForLeaks}. */
export interface LeakWatch {
  /**
   * Asserts that nothing is left: no timer, watcher, socket, child process, and no open file below `directory`. What
   * is just closing is given a moment. Ends the watch.
   */
  assertNone(): Promise<void>;
}

/** Begins to watch for timers, watchers, sockets, processes and open files that somebody forgets. */
export function watchForLeaks(directory?: string): LeakWatch {
  const alive = new Map<number, string>();
  const hook = createHook({
    init(id, type) {
      if (!LASTING.has(type)) return;
      const stack = new Error(type).stack ?? '';
      if (OURS.test(stack)) alive.set(id, stack);
    },
    destroy: (id) => void alive.delete(id),
  }).enable();
  return {
    async assertNone() {
      const end = Date.now() + SETTLE_MS;
      const leaks = () => [...alive.values(), ...(directory ? openFilesBelow(directory) : [])];
      while (leaks().length > 0 && Date.now() < end) await delay(10);
      hook.disable();
      if (leaks().length > 0) throw new Error(`left behind:\n${leaks().join('\n')}`);
    },
  };
}

function openFilesBelow(directory: string): string[] {
  let descriptors: string[];
  try {
    descriptors = readdirSync('/proc/self/fd');
  } catch {
    return []; // A system that does not tell.
  }
  return descriptors.flatMap((descriptor) => {
    try {
      const target = readlinkSync(`/proc/self/fd/${descriptor}`);
      return target.startsWith(`${directory}/`) ? [`open file ${target}`] : [];
    } catch {
      return [];
    }
  });
}

/** The processes that have this text among their arguments. */
export function processesNaming(text: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return pid !== process.pid && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(text);
      } catch {
        return false;
      }
    });
}
