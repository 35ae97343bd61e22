import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArguments } from '../../src/config/arguments.js';
import { type Daemon, startDaemon } from '../../src/daemon.js';
import { createLogger } from '../../src/logging.js';

/** A daemon in this process, and what belongs to it. */
export interface RunningDaemon {
  readonly daemon: Daemon;
  readonly directory: string;
  /** The path of its Unix socket. */
  readonly socket: string;
  /** The address of its TCP control service, if it has one. */
  readonly tcp: string;
  /** The lines of its log so far. */
  readonly log: readonly string[];
  /** Ends it and removes its directory. */
  end(): Promise<void>;
}

/**
 * Starts a daemon at level debug with a socket, its data in a directory of its own.
 * @param sections more sections, as YAML, `DIR` standing for the directory
 */
export async function runDaemon(
  sections: string,
  directory?: string,
  nodeId = 'foo',
): Promise<RunningDaemon> {
  const place = directory ?? (await mkdtemp(join(tmpdir(), 'receptor-')));
  const file = join(place, 'foo.yml');
  await writeFile(
    file,
    `- node: {id: ${nodeId}, datadir: ${place}/data}\n- log-level: debug\n${sections.replaceAll('DIR', place)}\n`,
  );
  const request = await parseArguments(['-c', file]);
  if (request.ask !== 'run') throw new Error('not a configuration to run');
  const log: string[] = [];
  const logger = createLogger({ level: 'info', format: 'text', sink: { write: (line) => log.push(line) } });
  const daemon = await startDaemon(request, logger);
  return {
    daemon,
    directory: place,
    socket: daemon.addresses.find((address) => address.startsWith('/')) ?? '',
    tcp: daemon.addresses.find((address) => !address.startsWith('/')) ?? '',
    log,
    end: async () => {
      await daemon.close();
      await rm(place, { recursive: true, force: true });
    },
  };
}

/** Sections that most tests need. */
export const CONTROL =
  '- control-service: {service: control, filename: DIR/foo.sock, tcplisten: "127.0.0.1:0"}\n';
export const WORK = `
- work-command: {worktype: cat, command: cat}
- work-command: {worktype: sleeper, command: sleep, params: "300"}
- work-command: {worktype: args, command: printf, params: '%s\\n base', allowruntimeparams: true}
`;
