import type { Call } from '../call.js';
import { version } from '../version.js';

export async function run({ output, daemonVersion }: Call): Promise<number> {
  output.line(`receptorctl  ${version()}`);
  output.line(`receptor     ${daemonVersion}`);
  return 0;
}
