import { existsSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from '@receptor/e2e';

const PACKAGES = ['ansible-runner==2.4.3', 'ansible-core==2.19.14'];
/** Kept from one run to the next: it takes a minute to fill. */
const PLACE = fileURLToPath(new URL('../../../../node_modules/.cache/ansible', import.meta.url));

/** Where the programs of ansible-runner are, installed when they are not; or why there are none. */
export async function installAnsible(): Promise<{ readonly bin: string } | { readonly missing: string }> {
  const bin = join(PLACE, 'bin');
  const done = join(PLACE, PACKAGES.join('+'));
  if (existsSync(done)) return { bin };
  const steps: [string, string[]][] = [
    ['python3', ['-m', 'venv', '--clear', PLACE]],
    [join(bin, 'pip'), ['install', '--quiet', '--disable-pip-version-check', ...PACKAGES]],
  ];
  for (const [command, args] of steps) {
    const { code, stderr } = await run({ command, prefix: [] }, args).catch((error: Error) => ({
      code: -1,
      stderr: error.message,
    }));
    if (code === 0) continue;
    await rm(PLACE, { recursive: true, force: true });
    return { missing: `${command} failed: ${stderr}` };
  }
  await mkdir(done);
  return { bin };
}
