import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { temporaryDirectory } from '@receptor/e2e';
import { checkConfiguration } from '@receptor/receptor';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const read = (path: string) => readFileSync(join(root, path), 'utf8');
const filesBelow = (folder: string) =>
  readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.parentPath.includes('node_modules'))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)));

const guides = filesBelow('docs/guides');
const pages = [
  'README.md',
  ...filesBelow('docs').filter((path) => path.endsWith('.md')),
  ...readdirSync(join(root, 'packages')).map((name) => `packages/${name}/README.md`),
].filter((path) => existsSync(join(root, path)));

const withoutCode = (markdown: string) => markdown.replace(/^```[\s\S]*?^```$/gm, '');

/** The anchors that a page's headings make, as GitHub makes them. */
const anchors = (page: string) =>
  [...withoutCode(read(page)).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  );

describe('links of the pages', () => {
  it('are there to be checked', () => {
    expect(pages.length).toBeGreaterThan(10);
  });

  it.each(pages)('lead somewhere in %s', (page) => {
    const dead = [...withoutCode(read(page)).matchAll(/\]\(([^)\s]+)\)/g)]
      .map(([, target = '']) => target)
      .filter((target) => !/^https:\/\//.test(target))
      .filter((target) => {
        const [path = '', anchor] = target.split('#');
        const to = path === '' ? page : join(dirname(page), path);
        return !existsSync(join(root, to)) || (anchor !== undefined && !anchors(to).includes(anchor));
      });
    expect(dead).toEqual([]);
  });

  it.each(pages)('are to every file that %s names in backquotes', (page) => {
    // Such as `packages/receptor/bin/receptor.js` or `examples/kubernetes`: from the top of the repository.
    const missing = [
      ...withoutCode(read(page)).matchAll(/`((?:packages|docs|examples|scripts)\/[^`\s*{]*)`/g),
    ]
      .map(([, path = '']) => path)
      .filter((path) => !existsSync(join(root, path)));
    expect(missing).toEqual([]);
  });
});

/** What a package exports: each name, and whether the declaration it comes from has a docstring. */
function* exportsOf(name: string): Generator<{ name: string; documented: boolean }> {
  const index = `packages/${name}/dist/index.d.ts`;
  for (const [, list = '', from = ''] of read(index).matchAll(
    /export (?:type )?\{([^}]*)\} from '(\.[^']+)'/g,
  )) {
    const declarations = read(join(dirname(index), from.replace(/\.js$/, '.d.ts')));
    for (const each of list.split(',')) {
      const [exported = ''] = each
        .trim()
        .replace(/^type /, '')
        .split(' as ');
      if (exported === '') continue;
      const declaration = new RegExp(
        `(\\*/\\s*)?^(?:export )?(?:declare )?(?:abstract )?(?:class|function|interface|type|const|enum) ${exported}\\b`,
        'm',
      ).exec(declarations);
      yield { name: exported, documented: declaration?.[1] !== undefined };
    }
  }
}

describe('every export has a docstring', () => {
  it.each(['protocol', 'quic', 'netceptor', 'workceptor', 'receptor', 'receptorctl', 'kubernetes-simulator'])(
    'of %s',
    (name) => {
      const all = [...exportsOf(name)];
      expect(all.length).toBeGreaterThan(0);
      expect(all.filter(({ documented }) => !documented).map((each) => each.name)).toEqual([]);
    },
  );
});

describe('every configuration in a guide', () => {
  const blocks = guides.flatMap((guide) =>
    [...read(guide).matchAll(/^```yaml\n([\s\S]*?)^```$/gm)]
      .map(([, text = '']) => text)
      .filter((text) => /^- [a-z-]+:/m.test(text))
      .map((text, index) => [guide, index + 1, text] as const),
  );

  it.each(blocks)('is right in %s, at place %i', async (_guide, _place, text) => {
    const { path, remove } = await temporaryDirectory();
    const file = join(path, 'receptor.yml');
    writeFileSync(file, text);
    const { problems } = await checkConfiguration(file);
    await remove();
    // Certificates and kubeconfigs are where the reader has them.
    const wrong = problems.filter(({ message }) => !/no such file|does not exist/.test(message));
    expect(wrong.map(({ message }) => message)).toEqual([]);
  });

  it.each(['foo.yml', 'kubeitpod.yml'])('%s is shown in the guide as it is', (name) => {
    expect(read('docs/guides/kubernetes-work.md')).toContain(
      `\`${name}\`:\n\n\`\`\`yaml\n${read(`examples/kubernetes/${name}`)}\`\`\`\n`,
    );
  });
});

describe('every example', () => {
  it.each(filesBelow('examples'))('%s is told of in a guide', (example) => {
    expect(guides.map(read).join('\n')).toContain(basename(example));
  });
});
