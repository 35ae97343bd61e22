import type { Call } from '../call.js';
import { prettyJson } from '../python.js';
import { statusText } from '../status-text.js';

export async function run({ output, client }: Call, { json }: { json: boolean }): Promise<number> {
  const status = await client.status();
  output.line(json ? prettyJson(status) : statusText({ ...status }));
  return 0;
}
