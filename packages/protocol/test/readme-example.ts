import { execFile } from 'node:child_process';
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Runs the example of the README as a program of its own; `dist` stands in for the installed package. */
export async function runReadmeExample(directory: string, socket: string) {
  const readme = await readFile(join(root, 'README.md'), 'utf8');
  const [, code = ''] = /```js\n(.*?)```/s.exec(readme) ?? [];
  const home = join(directory, 'node_modules/@receptor/protocol');
  await mkdir(home, { recursive: true });
  await cp(join(root, 'dist'), join(home, 'dist'), { recursive: true });
  await cp(join(root, 'package.json'), join(home, 'package.json'));
  await writeFile(join(directory, 'example.mjs'), code);
  const env = { ...process.env, RECEPTORCTL_SOCKET: socket };
  return promisify(execFile)(process.execPath, [join(directory, 'example.mjs')], { env });
}
