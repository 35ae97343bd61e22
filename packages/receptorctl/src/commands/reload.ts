import type { Call } from '../call.js';
import { Failure } from '../failure.js';

const OTHER = 5;

export async function run({ output, client }: Call): Promise<number> {
  const reply = await client.reload();
  if (reply.Success) {
    output.line('Reload successful');
    return 0;
  }
  const [, code] = /ERRORCODE ([34])/.exec(reply.Error) ?? [];
  throw new Failure(code === undefined ? OTHER : Number(code), reply.Error);
}
