import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Outcome, run, startDaemon, temporaryDirectory } from '@receptor/e2e';
import { afterAll, beforeAll, describe, expect, type TestContext, test } from 'vitest';

const WORKSPACE = fileURLToPath(new URL('../../..', import.meta.url));
const NPM = { command: 'npm', prefix: [] };
const NODE = { command: process.execPath, prefix: [] };

/** Names of the packages that are published, by their folders. */
async function published(): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const folder of await readdir(join(WORKSPACE, 'packages'))) {
    const manifest = await readFile(join(WORKSPACE, 'packages', folder, 'package.json'), 'utf8').catch(
      () => '{}',
    );
    const { name, private: own } = JSON.parse(manifest);
    if (name && !own) found.set(folder, name);
  }
  return found;
}

describe('the packages, packed and installed elsewhere', () => {
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
  let packages: Map<string, string>;
  let installed: Outcome;

  beforeAll(async () => {
    directory = await temporaryDirectory();
    packages = await published();
    const dependencies: Record<string, string> = {};
    for (const [folder, name] of packages) {
      const packed = await run(
        { command: 'npx', prefix: ['-y', 'pnpm@10'] },
        ['--silent', 'pack', '--pack-destination', directory.path],
        { cwd: join(WORKSPACE, 'packages', folder) },
      );
      expect(packed.code, packed.stderr.toString()).toBe(0);
      dependencies[name] = `file:./${name.replace('@', '').replace('/', '-')}-0.1.0.tgz`;
    }
    await writeFile(join(directory.path, 'package.json'), JSON.stringify({ type: 'module', dependencies }));
    installed = await run(
      NPM,
      ['install', '--prefer-offline', '--no-audit', '--no-fund', '--fetch-retries=0'],
      { cwd: directory.path },
    );
  });

  afterAll(() => directory.remove());

  /** Without a registry what others have made cannot be installed. */
  function needsRegistry(context: TestContext): void {
    const words = installed.stderr.toString();
    const unreachable = /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ENETUNREACH|ENOTCACHED/.test(words);
    context.skip(installed.code !== 0 && unreachable, 'no registry can be reached');
    expect(installed.code, words).toBe(0);
  }

  const bin = (name: string) => ({ command: join(directory.path, 'node_modules', '.bin', name), prefix: [] });

  test('hold programs that start', async (context) => {
    needsRegistry(context);
    const version = await run(bin('receptor'), ['--version']);
    expect(version.code).toBe(0);
    expect(version.stdout.toString()).toMatch(/\d+\.\d+\.\d+/);
    const help = await run(bin('receptorctl'), ['--help']);
    expect(help.code).toBe(0);
    expect(help.stdout.toString()).toContain('work');
  });

  test('hold libraries that can be imported, with their types', async (context) => {
    needsRegistry(context);
    for (const name of packages.values()) {
      const folder = join(directory.path, 'node_modules', name);
      const { exports } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
      if (!exports?.['.']) continue;
      expect((await stat(join(folder, exports['.'].types))).isFile()).toBe(true);
      const script = `const all = await import(${JSON.stringify(name)}); console.log(Object.keys(all).length)`;
      const outcome = await run(NODE, ['--input-type=module', '-e', script], { cwd: directory.path });
      expect(outcome.stderr.toString()).toBe('');
      expect(Number(outcome.stdout)).toBeGreaterThan(0);
    }
  });

  test('run work', async (context) => {
    needsRegistry(context);
    const daemon = await startDaemon({
      directory: directory.path,
      program: bin('receptor'),
      sections: [
        { 'work-command': { worktype: 'cat', command: 'cat' } },
        {
          'work-kubernetes': {
            worktype: 'kubeit',
            authmethod: 'runtime',
            allowruntimeauth: true,
            image: 'any',
          },
        },
      ],
    });
    try {
      const ctl = ['--socket', daemon.socket, 'work', 'submit'];
      const outcome = await run(bin('receptorctl'), [...ctl, 'cat', '-p', '-', '-f', '--rm'], {
        input: 'payload',
      });
      expect(outcome.stdout.toString()).toMatch(/^payload\(\w{8}, released\)\n$/);
      // What Kubernetes needs is loaded only now.
      const refused = await run(bin('receptorctl'), [
        ...ctl,
        'kubeit',
        '-n',
        '--param',
        'secret_kube_config={}',
      ]);
      expect(refused.stderr.toString()).toMatch(/invalid configuration: no configuration has been provided/);
    } finally {
      await daemon.stop();
    }
  });
});
