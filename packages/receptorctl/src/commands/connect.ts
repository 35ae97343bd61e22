import type { Duplex } from 'node:stream';
import type { Call } from '../call.js';
import { Failure } from '../failure.js';
import { reachService } from '../mesh-service.js';

interface Values {
  node: string;
  service: string;
  raw: boolean;
  tlsClient: string | undefined;
}

/** How long, in milliseconds, a service may be quiet after the person ended their side, before both are taken to be done. */
const LAST_WORDS_MS = 1000;

export async function run({ client, output, signal }: Call, values: Values): Promise<number> {
  const { node, service, raw, tlsClient } = values;
  const remote = await reachService(() => client.connectService(node, service, { tls: tlsClient ?? '' }));
  const { stdin, stdout } = output.streams;
  if (!stdin.isTTY) {
    remote.destroy();
    throw new Failure(1, "(25, 'Inappropriate ioctl for device')");
  }
  if (raw) stdin.setRawMode?.(true);
  try {
    await splice(remote, { stdin, stdout }, signal);
  } finally {
    if (raw) stdin.setRawMode?.(false);
    stdin.pause();
    remote.destroy();
    output.line();
  }
  return 0;
}

/** Copies both ways until the service ends; after Ctrl-D that is when it has said its last words. */
async function splice(
  remote: Duplex,
  { stdin, stdout }: Pick<Call['output']['streams'], 'stdin' | 'stdout'>,
  signal: AbortSignal,
): Promise<void> {
  const ending = new AbortController();
  const end = () => ending.abort();
  let quiet: NodeJS.Timeout | undefined;
  const onInputEnd = () => {
    remote.end();
    quiet = setTimeout(end, LAST_WORDS_MS);
  };
  signal.addEventListener('abort', end);
  remote.once('end', end).once('close', end).on('error', end);
  remote.on('data', () => quiet?.refresh());
  stdin.once('end', onInputEnd);
  stdin.pipe(remote, { end: false });
  remote.pipe(stdout, { end: false });
  try {
    if (!signal.aborted && !remote.destroyed) {
      await new Promise<void>((resolve) => ending.signal.addEventListener('abort', () => resolve()));
    }
  } finally {
    clearTimeout(quiet);
    signal.removeEventListener('abort', end);
    stdin.off('end', onInputEnd);
    stdin.unpipe(remote);
    remote.unpipe(stdout);
  }
  signal.throwIfAborted();
}
