import type { Call } from '../call.js';

const OTHER = 5;

export async function run({ output, client }: Call): Promise<number> {
  const reply = await client.reload();
  if (reply.Success) {
    output.line('Reload successful');
    return 0;
  }
  output.error(reply.Error);
  const [, code] = /ERRORCODE ([34])/.exec(reply.Error) ?? [];
  return code === undefined ? OTHER : Number(code);
}
