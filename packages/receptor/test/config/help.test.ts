import { describe, expect, it } from 'vitest';
import { renderHelp } from '../../src/config/help.js';
import { SECTIONS } from '../../src/config/sections/index.js';
import { runs } from '../go-runs.js';

const ours = SECTIONS.flatMap(({ fields }) =>
  Object.entries(fields).flatMap(([name, { own }]) => (own ? [name] : [])),
);

describe('--help', () => {
  it('is the text of the Go daemon, letter by letter, but for fields that it does not have', () => {
    const lines = renderHelp('receptor').split('\n');
    const isOurs = (line: string) => ours.some((name) => line.startsWith(`      ${name}=`));
    expect(lines.filter(isOurs)).toHaveLength(ours.length);
    expect(lines.filter((line) => !isOurs(line)).join('\n')).toBe(
      runs.find(({ args }) => args.length === 0)?.stdout,
    );
  });
});
