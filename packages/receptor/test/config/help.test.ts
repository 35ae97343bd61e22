import { describe, expect, it } from 'vitest';
import { parseArguments } from '../../src/config/arguments.js';
import { renderHelp, renderSectionHelp } from '../../src/config/help.js';
import { SECTIONS } from '../../src/config/sections/index.js';
import { runs } from '../go-runs.js';

const ours = SECTIONS.flatMap(({ fields }) =>
  Object.entries(fields).flatMap(([name, { own }]) => (own ? [name] : [])),
);

describe('--help', () => {
  it('is the text of the Go daemon, letter by letter, but for what it does not have', () => {
    const check = /^ {3}check <filename> .*\n\n/m;
    expect(renderHelp('receptor')).toMatch(check);
    const lines = renderHelp('receptor').replace(check, '').split('\n');
    const isOurs = (line: string) => ours.some((name) => line.startsWith(`      ${name}=`));
    expect(lines.filter(isOurs)).toHaveLength(ours.length);
    expect(lines.filter((line) => !isOurs(line)).join('\n')).toBe(
      runs.find(({ args }) => args.length === 0)?.stdout,
    );
  });

  it.each(SECTIONS.map((section) => [section.name, section] as const))(
    'after --%s tells of this section alone, with all its fields',
    async (name, section) => {
      for (const args of [
        [`--${name}`, '--help'],
        ['--help', name],
        ['-h', `--${name.toUpperCase()}`],
      ])
        expect(await parseArguments(args)).toEqual({ ask: 'help', section: name });
      const text = renderSectionHelp('receptor', section);
      expect(text.split('\n').filter((line) => /^ {3}--/.test(line))).toEqual([
        expect.stringMatching(new RegExp(`^ {3}--${name}: `)),
      ]);
      for (const [field, { note = '' }] of Object.entries(section.fields)) {
        expect(text).toMatch(new RegExp(`^ {6}${field}=<`, 'm'));
        expect(text).toContain(note);
      }
    },
  );

  it('without a section, or with one that is none, tells of all', async () => {
    for (const args of [['--help'], ['--help', 'nosuch'], [], ['-h', '-c']])
      expect(await parseArguments(args)).toEqual({ ask: 'help' });
  });
});
