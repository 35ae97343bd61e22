import { readSync } from 'node:fs';
import type { Duplex } from 'node:stream';
import { shellSplit } from '@receptor/workceptor';
import { configError } from '../config/item.js';
import type { Settings } from '../config/sections/index.js';
import { breakOff } from './bridge.js';
import { listenProblem } from './proxy.js';
import { type Service, type ServiceContext, textOf } from './service.js';

/** What a terminal sends for the end of input. */
const END_OF_INPUT = '\u0004';
/** Terminals of a service at once. */
const MAX_TERMINALS = 100;

type PtyModule = typeof import('@lydell/node-pty');

/**
 * Runs a command on a terminal of its own for each stream to a service of this node (reference: mesh, 8). The end of the
 * caller's input is the end of the command's; a caller that is gone hangs up.
 * @throws ReceptorError `RECEPTOR_CONFIG_INVALID` when there are no terminals here, or the command cannot be read
 */
export async function commandService(
  { service, command, tls }: Settings<'command-service'>,
  { netceptor, tls: profiles, log }: ServiceContext,
): Promise<Service> {
  const [file, ...args] = wordsOf(command);
  if (file === undefined) throw configError('error running command-service: the command is empty');
  const { spawn } = await loadPty();
  const serving = new Set<Duplex>();
  const serve = (stream: Duplex): void => {
    stream.on('error', () => {});
    if (serving.size >= MAX_TERMINALS) {
      log.error(`Refused a connection to ${service}: ${MAX_TERMINALS} commands run already`);
      breakOff(stream);
      return;
    }
    try {
      runOnTerminal(spawn(file, args, { name: 'xterm', encoding: null }) as Terminal, stream);
    } catch (error) {
      log.error(`Error running command ${file}: ${textOf(error)}`);
      breakOff(stream);
      return;
    }
    serving.add(stream);
    stream.once('close', () => serving.delete(stream));
  };
  const profile = profiles.servers.get(tls);
  try {
    const listener = netceptor.listen(service, serve, {
      ...(profile && { tls: profile }),
      tags: { type: 'Command Service' },
    });
    return {
      async close() {
        for (const stream of serving) breakOff(stream);
        listener.close();
      },
    };
  } catch (error) {
    throw listenProblem(error);
  }
}

/**
 * A terminal with what the package keeps to itself, and whose version is fixed for that: the stream below it, because its own
 * `write` takes whatever comes, however much is waiting; and what keeps it from throwing away what has not been read 200 ms
 * after the command's end.
 */
type Terminal = ReturnType<PtyModule['spawn']> & {
  readonly _socket: Duplex;
  readonly fd: number;
  _boundClose: boolean;
};

/** Joins a terminal and a stream. The terminal ends when nobody has it open any more and all was read. */
function runOnTerminal(terminal: Terminal, stream: Duplex): void {
  const { _socket: inside } = terminal;
  terminal._boundClose = true;
  terminal.onData((data) => {
    if (stream.writable && !stream.write(data)) inside.pause();
  });
  stream.on('drain', () => inside.resume());
  // Node takes the command's end for the terminal's, although the kernel still has what it said last.
  inside.prependOnceListener('end', () => {
    for (const rest of readRest(terminal.fd)) if (stream.writable) stream.write(rest);
  });
  inside.once('close', () => {
    // An error overtakes what waits here to be read.
    for (let rest = inside.read(); rest !== null && stream.writable; rest = inside.read()) stream.write(rest);
    if (stream.writable) stream.end();
    // What is still said to it, nobody hears.
    stream.unpipe(inside);
    stream.resume();
  });
  stream.pipe(inside, { end: false });
  stream.once('end', () => {
    if (inside.writable) inside.write(END_OF_INPUT);
  });
  // Hangs up, which ends the command unless it wants to go on.
  stream.once('close', () => inside.destroy());
}

/** Reads what a terminal holds that nobody writes to any more: some kilobytes, and then an error (EIO). */
function* readRest(fd: number): Generator<Buffer> {
  try {
    for (;;) {
      const buffer = Buffer.alloc(65_536);
      const length = readSync(fd, buffer);
      if (length === 0) return;
      yield buffer.subarray(0, length);
    }
  } catch {
    // That was all.
  }
}

function wordsOf(command: string): string[] {
  try {
    return shellSplit(command);
  } catch (error) {
    throw configError(`error running command-service: ${textOf(error)}`, error);
  }
}

async function loadPty(): Promise<PtyModule> {
  try {
    return await import('@lydell/node-pty');
  } catch (error) {
    throw configError(
      'command-service needs the package @lydell/node-pty, which is not installed here or has no build for this system',
      error,
    );
  }
}
