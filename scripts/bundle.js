/*
 * Gathers the modules of a program, those of its dependencies included, into a few files: loading a hundred small ones
 * takes a daemon longer than all else it does until it answers. What is imported only when it is needed stays in files of
 * its own. They are CommonJS, which Node loads in half the time of ES modules. Libraries are not gathered, and packages
 * with native code cannot be. Does nothing where nothing has changed.
 */
import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

const PROGRAMS = {
  receptor: true,
  // Small enough for a single file, apart from the reader of YAML that is hardly ever needed.
  receptorctl: { groups: [{ name: 'commands', test: /packages.(receptorctl|protocol).dist/ }] },
};
const NATIVE = ['koffi'];

process.chdir(fileURLToPath(new URL('..', import.meta.url)));

const sources = readdirSync('packages')
  .flatMap((name) => [join('packages', name, 'dist'), join('packages', name, 'wasm')])
  .filter((directory) => existsSync(directory))
  .flatMap((directory) => readdirSync(directory, { recursive: true }).map((name) => join(directory, name)))
  .filter((path) => /\.(js|wasm)$/.test(path));
const changed = Math.max(
  ...[...sources, 'pnpm-lock.yaml', 'scripts/bundle.js'].map((path) => statSync(path).mtimeMs),
);

for (const [name, codeSplitting] of Object.entries(PROGRAMS)) {
  const dir = join('packages', name, 'program');
  if ((statSync(join(dir, 'cli.js'), { throwIfNoEntry: false })?.mtimeMs ?? 0) > changed) continue;
  const bundle = await rolldown({
    input: join('packages', name, 'dist', 'cli.js'),
    platform: 'node',
    external: NATIVE,
    // In a single file nothing is loaded apart.
    checks: { ineffectiveDynamicImport: false },
    // A file that a module names by `new URL('…', import.meta.url)` is copied, and found where it then is.
    experimental: { resolveNewUrlToAsset: true },
  });
  // Names without hashes: a daemon that runs on while it is upgraded still finds what it has yet to load.
  await bundle.write({
    dir,
    format: 'cjs',
    codeSplitting,
    chunkFileNames: '[name].js',
    // A second package.json would be taken for that of another package.
    assetFileNames: ({ names }) =>
      names.includes('package.json') ? 'assets/manifest.json' : 'assets/[name][extname]',
    sourcemap: true,
  });
  await bundle.close();
  writeFileSync(join(dir, 'package.json'), '{ "type": "commonjs" }\n');
}
