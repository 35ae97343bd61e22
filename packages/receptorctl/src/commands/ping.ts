import { setTimeout as sleep } from 'node:timers/promises';
import type { Call } from '../call.js';
import { Failure } from '../failure.js';

const SOME_FAILED = 2;

interface Values {
  node: string;
  count: number;
  /** Seconds between two pings. */
  delay: number;
}

export async function run({ output, client, signal }: Call, { node, count, delay }: Values): Promise<number> {
  let exitCode = 0;
  for (let sent = 0; sent < count; sent++) {
    if (sent > 0) {
      if (delay < 0) throw new Failure(1, 'sleep length must be non-negative');
      await sleep(delay * 1000, undefined, { signal });
    }
    const reply = await client.ping(node);
    if (reply.Success) {
      output.line(`Reply from ${reply.From} in ${reply.TimeStr}`);
    } else {
      output.error(reply.Error);
      exitCode = SOME_FAILED;
    }
  }
  return exitCode;
}
