import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseArguments } from '../../src/config/arguments.js';
import { checkItems } from '../../src/config/item.js';
import { SECTIONS } from '../../src/config/sections/index.js';

/** Values that pass the checks of a section's required fields. */
const VALUES: Readonly<Record<string, string>> = { address: 'localhost:1', port: '1' };

/** Settings that name another section: section, field, and what is named. */
const references = SECTIONS.flatMap((section) =>
  Object.entries(section.fields).flatMap(([field, { refersTo, onlyWith }]) =>
    refersTo ? [{ section, field, refersTo, onlyWith }] : [],
  ),
);

async function outcome(args: readonly string[]): Promise<string> {
  const request = await parseArguments(['--node', 'id=foo', ...args]);
  if (request.ask !== 'run') return request.ask;
  try {
    checkItems(request.items);
    return 'runs';
  } catch (error) {
    return (error as Error).message;
  }
}

describe('a setting that names a TLS section', () => {
  it('is every one whose help says so', () => {
    const tls = SECTIONS.flatMap(({ name, fields }) =>
      Object.entries(fields).flatMap(([field, { help }]) =>
        /^Name of TLS (server|client) config( |$)/.test(help ?? '') ? [`${name}.${field}`] : [],
      ),
    );
    expect(references.map(({ section, field }) => `${section.name}.${field}`)).toEqual(tls);
  });

  for (const { section, field, refersTo, onlyWith } of references) {
    const required = Object.entries(section.fields).flatMap(([name, { required: must }]) =>
      must ? [`${name}=${VALUES[name] ?? 'a'}`] : [],
    );
    const also = onlyWith ? [`${onlyWith}=1`] : [];
    const args = [`--${section.name}`, ...required, ...also];

    it(`${section.name} ${field}: is refused in Go’s words where there is no ${refersTo} of that name`, async () => {
      expect(await outcome([...args, `${field}=nope`])).toBe('unknown TLS config nope');
      const other = refersTo === 'tls-server' ? 'tls-client' : 'tls-server';
      const wrong = [`--${other}`, 'name=nope', 'cert=', 'key='];
      expect(await outcome([...args, `${field}=nope`, ...wrong])).toBe('unknown TLS config nope');
    });

    it(`${section.name} ${field}: may name a ${refersTo} that comes later, and may be empty`, async () => {
      const named = [`--${refersTo}`, 'name=there', 'cert=', 'key='];
      expect(await outcome([...args, `${field}=there`, ...named])).not.toContain('unknown TLS config');
      expect(await outcome([...args, `${field}=`])).not.toContain('unknown TLS config');
    });

    if (onlyWith)
      it(`${section.name} ${field}: means nothing without ${onlyWith}`, async () => {
        expect(await outcome([`--${section.name}`, `${field}=nope`])).toBe('runs');
      });
  }

  it('is refused with its place in a file', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'receptor-'));
    try {
      const file = `${directory}/a.yml`;
      await writeFile(file, '- node: foo\n- tcp-listener:\n    port: 0\n    tls: nope\n');
      const request = await parseArguments(['-c', file]);
      if (request.ask !== 'run') throw new Error(request.ask);
      expect(() => checkItems(request.items)).toThrow(`unknown TLS config nope (${file}:4:10)`);
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});
