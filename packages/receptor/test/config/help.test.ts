import { describe, expect, it } from 'vitest';
import { parseArguments } from '../../src/config/arguments.js';
import { renderHelp, renderSectionHelp } from '../../src/config/help.js';
import { SECTIONS } from '../../src/config/sections/index.js';
import { runs } from '../go-runs.js';

const ours = SECTIONS.filter(({ own }) => !own).flatMap(({ fields }) =>
  Object.entries(fields).flatMap(([name, { own }]) => (own ? [name] : [])),
);

describe('--help', () => {
  it('is the text of the Go daemon, letter by letter, but for what it does not have', () => {
    const check = /^ {3}check <filename> .*\n\n/m;
    expect(renderHelp('receptor')).toMatch(check);
    const sections = SECTIONS.filter(({ own }) => own).map(({ name }) => name);
    // A section of ours goes as a whole.
    const ofOurs = new RegExp(`^ {3}--(?:${sections.join('|')}): .*\n(?: {6}.*\n)*\n`, 'gm');
    expect(renderHelp('receptor').match(ofOurs)).toHaveLength(sections.length);
    const lines = renderHelp('receptor').replace(check, '').replace(ofOurs, '').split('\n');
    const isOurs = (line: string) => ours.some((name) => line.startsWith(`      ${name}=`));
    expect(lines.filter(isOurs)).toHaveLength(ours.length);
    const theirs = runs.find(({ args }) => args.length === 0)?.stdout ?? '';
    // A worker in Python, which a Go daemon refuses, works here.
    const warning = /\n\[DEPRECATION WARNING\] This option is not currently being used\..*/;
    expect(theirs).toMatch(warning);
    expect(lines.filter((line) => !isOurs(line)).join('\n')).toBe(theirs.replace(warning, ''));
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
