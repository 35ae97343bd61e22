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

/** Copies both ways until either side ends: the service, or the person with Ctrl-D. */
async function splice(
  remote: Duplex,
  { stdin, stdout }: Pick<Call['output']['streams'], 'stdin' | 'stdout'>,
  signal: AbortSignal,
): Promise<void> {
  const ending = new AbortController();
  const end = () => ending.abort();
  signal.addEventListener('abort', end);
  remote.once('end', end).once('close', end).on('error', end);
  stdin.once('end', end);
  stdin.pipe(remote, { end: false });
  remote.pipe(stdout, { end: false });
  try {
    if (!signal.aborted && !remote.destroyed) {
      await new Promise<void>((resolve) => ending.signal.addEventListener('abort', () => resolve()));
    }
  } finally {
    signal.removeEventListener('abort', end);
    stdin.off('end', end);
    stdin.unpipe(remote);
    remote.unpipe(stdout);
  }
  signal.throwIfAborted();
}
