import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ReceptorError } from '@receptor/protocol';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseArguments } from '../../src/config/arguments.js';
import { checkItems } from '../../src/config/item.js';
import { mapKey } from '../../src/config/map-form.js';
import { SECTIONS } from '../../src/config/sections/index.js';

let directory: string;
let file: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'receptor-'));
  file = join(directory, 'c.yml');
});
afterAll(() => rmSync(directory, { recursive: true }));

/** Reads and checks; anything but a configuration, or an error for whoever wrote it, is a bug of ours. */
async function isReadOrRefused(args: readonly string[]): Promise<void> {
  try {
    const request = await parseArguments(args);
    if (request.ask === 'run') checkItems(request.items);
  } catch (error) {
    expect(error).toBeInstanceOf(ReceptorError);
    expect(error).toMatchObject({ code: 'RECEPTOR_CONFIG_INVALID' });
    expect((error as Error).message).not.toBe('');
  }
}

function fileIsReadOrRefused(text: string | Uint8Array): Promise<void> {
  writeFileSync(file, text);
  return isReadOrRefused(['-c', file]);
}

const names = SECTIONS.map(({ name }) => name);
const fieldNames = SECTIONS.flatMap(({ fields }) => Object.keys(fields));
const odd = fc.constantFrom(
  ...['', ' ', '-', '--', '=', '-c', '--config', '__proto__', 'constructor', 'toString', 'id', '/', '\u0000'],
  ...[
    '{',
    '[',
    '{"__proto__":1}',
    '[null]',
    '1e999',
    '0x',
    '0600',
    '-1',
    'yes',
    '~',
    '*a',
    '&a',
    '<<',
    '!!binary x',
  ],
);

describe('whatever the command line is', () => {
  const word = fc.oneof(
    odd,
    fc.string(),
    fc.constantFrom(...names).map((name) => `--${name}`),
    fc.constantFrom(...fieldNames),
    fc
      .tuple(fc.constantFrom(...fieldNames, 'nosuch'), fc.oneof(odd, fc.string(), fc.json()))
      .map(([name, value]) => `${name}=${value}`),
  );

  it('it is read, or refused with an error for people', async () => {
    await fc.assert(fc.asyncProperty(fc.array(word, { maxLength: 8 }), isReadOrRefused), { numRuns: 2000 });
  });
});

describe('whatever a file is', () => {
  it('made of bytes, it is read or refused', async () => {
    await fc.assert(fc.asyncProperty(fc.uint8Array({ maxLength: 100 }), fileIsReadOrRefused), {
      numRuns: 500,
    });
  });

  it('made of pieces of YAML, it is read or refused', async () => {
    const piece = fc.oneof(
      odd,
      fc.constantFrom(...names, ...fieldNames),
      fc.constantFrom(
        '- ',
        ': ',
        '\n',
        '\n  ',
        '\n    ',
        '{',
        '}',
        '[',
        ']',
        ', ',
        '"',
        "'",
        '#',
        '|',
        '>',
        '?',
        '---\n',
        '\t',
      ),
      fc.string({ maxLength: 5 }),
    );
    const text = fc.array(piece, { maxLength: 30 }).map((pieces) => pieces.join(''));
    await fc.assert(fc.asyncProperty(text, fileIsReadOrRefused), { numRuns: 500 });
  });

  it('of the right shape with odd values, it is read or refused', async () => {
    const item = fc.dictionary(
      fc.constantFrom(...names, 'nosuch'),
      fc.oneof(fc.jsonValue(), fc.dictionary(fc.constantFrom(...fieldNames), fc.oneof(fc.jsonValue(), odd))),
      { minKeys: 1, maxKeys: 2 },
    );
    // JSON is YAML.
    const text = fc.array(item, { maxLength: 4 }).map((items) => JSON.stringify(items));
    await fc.assert(fc.asyncProperty(text, fileIsReadOrRefused), { numRuns: 500 });
  });

  it('aliases that would make it enormous are refused in time', async () => {
    const levels = Array.from({ length: 30 }, (_, level) => {
      const items = level === 0 ? 'x, x' : `*a${level - 1}, *a${level - 1}`;
      return `- &a${level} [${items}]\n`;
    });
    writeFileSync(file, levels.join(''));
    await expect(parseArguments(['-c', file])).rejects.toThrow('yaml: document contains excessive aliasing');
  });

  it('nested beyond reason, it is refused', async () => {
    for (const [open, close] of [
      ['[', ']'],
      ['{a: ', '}'],
    ] as const) {
      writeFileSync(file, `- node: ${open.repeat(2_000)}x${close.repeat(2_000)}`);
      await expect(parseArguments(['-c', file])).rejects.toThrow('yaml: exceeded max depth');
    }
  });
});

/** A section with values as they are meant, to be written in both forms. */
const meant = fc.constantFrom(...SECTIONS.filter(({ exclusive }) => !exclusive)).chain((section) =>
  fc
    .record(
      Object.fromEntries(
        Object.entries(section.fields).map(([name, { kind }]) => [name, valuesOf(kind.label)]),
      ) as Record<string, fc.Arbitrary<unknown>>,
      {
        requiredKeys: Object.entries(section.fields).flatMap(([name, { required }]) =>
          required ? [name] : [],
        ),
      },
    )
    .map((fields) => ({ name: section.name, fields })),
);

function valuesOf(label: string): fc.Arbitrary<unknown> {
  const name = fc.string({ unit: fc.constantFrom(...'ab:/.{[ 0é"'), maxLength: 6 });
  switch (label) {
    case 'string':
      return name;
    case 'int':
      return fc.integer();
    case 'float64':
      return fc.integer().map((number) => number / 4);
    case 'bool':
      return fc.boolean();
    case '[]string (may be repeated)':
      return fc.array(name);
    case 'JSON dict of string to float64':
      return fc.dictionary(
        name,
        fc.integer().map((number) => number / 4),
      );
    case 'JSON dict with string keys':
      return fc.dictionary(name, name);
    case 'JSON list of JSON dict of JSON data to JSON data':
      return fc.array(fc.dictionary(name, name));
    default:
      throw new Error(`no values for ${label}`);
  }
}

it('both forms of a file and the command line say the same, each in its way', async () => {
  const sections = fc.uniqueArray(meant, { selector: ({ name }) => name, maxLength: 4, minLength: 1 });
  await fc.assert(
    fc.asyncProperty(sections, async (items) => {
      writeFileSync(file, JSON.stringify(items.map(({ name, fields }) => ({ [name]: fields }))));
      const args = items.flatMap(({ name, fields }) => [
        `--${name}`,
        ...Object.entries(fields).map(
          ([field, value]) => `${field}=${typeof value === 'object' ? JSON.stringify(value) : value}`,
        ),
      ]);
      const [fromFile, fromArguments] = [await parseArguments(['-c', file]), await parseArguments(args)];
      const keys = items.map(({ name, fields }) => {
        const section = SECTIONS.find((each) => each.name === name);
        if (!section) throw new Error(name);
        return [mapKey(section), section.single ? fields : [fields]];
      });
      writeFileSync(file, JSON.stringify({ version: 2, ...Object.fromEntries(keys) }));
      const fromMap = await parseArguments(['-c', file]);
      const plain = (request: typeof fromFile) =>
        request.ask === 'run' && request.items.map(({ section, settings }) => ({ section, settings }));
      expect(plain(fromArguments)).toEqual(plain(fromFile));
      // `local-only` is the one that can be said not to be meant, in the map form.
      const meant = (plain(fromFile) || []).filter(
        (item) => !(items.find(({ name }) => name === item.section)?.fields.local === false),
      );
      expect(plain(fromMap)).toEqual(meant);
      expect(plain(fromFile)).toHaveLength(
        items.length + (items.some(({ name }) => name === 'node') ? 0 : 1),
      );
    }),
    { numRuns: 300 },
  );
});
