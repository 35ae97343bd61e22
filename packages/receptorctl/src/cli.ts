import { run } from './run.js';

/** Exit codes of the signals that a shell user or a supervisor sends: 128 and the signal's number. */
const SIGNALS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

/** The program: runs the process's command line and sets its exit code. */
export async function main(): Promise<void> {
  const interrupt = new AbortController();
  let interrupted: number | undefined;
  for (const [name, exitCode] of Object.entries(SIGNALS)) {
    // Once: a second one ends the process the hard way.
    process.once(name, () => {
      interrupted ??= exitCode;
      interrupt.abort();
    });
  }
  // A pipe that was closed is seen by whoever writes to it; without a listener it would end the process with a trace.
  let closed = false;
  const onError = (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    closed = true;
  };
  process.stdout.on('error', onError);
  process.stderr.on('error', onError);
  const exitCode = await run(process.argv.slice(2), process, process.env, interrupt.signal);
  // An end that was asked for waits for nobody who should read what is left.
  if (interrupted !== undefined) process.exit(interrupted);
  process.exitCode = exitCode;
  process.once('beforeExit', () => {
    if (closed && process.exitCode === 0) process.exitCode = 1;
  });
}
