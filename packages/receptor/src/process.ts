import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Configuration } from './config/arguments.js';
import { type Daemon, startDaemon } from './daemon.js';
import type { DaemonLogger } from './logging.js';

const SIGNALS = { SIGINT: 2, SIGTERM: 15 } as const;

/**
 * Runs a daemon as the whole of this process. SIGTERM and SIGINT end it cleanly with exit code 0; a second one ends it at once
 * with 128 and the number of the signal. What nobody expected ends it with 1: the units are on disk, and a supervisor's
 * restart goes on from there.
 * @param program its name, for the hint that there is nothing to do
 * @throws ReceptorError what `startDaemon` throws
 */
export async function runDaemon(
  configuration: Configuration,
  log: DaemonLogger,
  program: string,
): Promise<void> {
  const unexpected = (error: unknown) => {
    log.error(`Unexpected error: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    process.exit(1);
  };
  process.on('uncaughtException', unexpected);
  process.on('unhandledRejection', unexpected);

  // V8 lets dead buffers pile up in proportion to the space for young objects, which grows with the traffic; kept small, a
  // large payload takes 20 MB less.
  setFlagsFromString('--semi-space-growth-factor=1');
  exposeCollector();
  const starting = startDaemon(configuration, log);
  let ending = false;
  for (const [name, number] of Object.entries(SIGNALS)) {
    process.on(name, () => {
      if (ending) process.exit(128 + number);
      ending = true;
      log.info(`Received ${name}, shutting down`);
      // A start that fails meanwhile has closed what it opened, and says so itself.
      starting.then(end, () => {});
    });
  }
  const daemon = await starting;
  // A node with nothing but `local-only` has no socket to keep the process.
  setInterval(() => {}, 2 ** 31 - 1);
  // As with Go, that is no failure of this process.
  daemon.superseded.then(() => end(daemon), unexpected);
  if (daemon.idle && !ending) {
    log.warning('Nothing to do - no backends are running.');
    await daemon.close();
    process.stdout.write(`Run ${program} --help for command line instructions.\n`, () => process.exit(1));
  }
}

type Collect = (options: { type: 'minor' }) => void;

/** Lets the mesh have dead buffers freed, from the first time on that it wants to. */
function exposeCollector(): void {
  let collect: Collect | undefined;
  const program = globalThis as unknown as { gc?: Collect };
  program.gc ??= (options) => {
    if (!collect) {
      setFlagsFromString('--expose-gc');
      collect = runInNewContext('gc') as Collect;
    }
    collect(options);
  };
}

async function end(daemon: Daemon): Promise<void> {
  await daemon.close();
  process.exit(0);
}
