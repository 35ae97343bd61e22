import { describe, expect, it } from 'vitest';
import { renderHelp } from '../../src/config/help.js';
import { runs } from '../go-runs.js';

/** Fields that the Go daemon does not have. */
const OURS = ['allowruntimekubeconfigfiles', 'failonnonzeroexit', 'deleteorphanpods'];

describe('--help', () => {
  it('is the text of the Go daemon, letter by letter, but for fields that it does not have', () => {
    const lines = renderHelp('receptor').split('\n');
    const isOurs = (line: string) => OURS.some((name) => line.startsWith(`      ${name}=`));
    expect(lines.filter(isOurs)).toHaveLength(OURS.length);
    expect(lines.filter((line) => !isOurs(line)).join('\n')).toBe(
      runs.find(({ args }) => args.length === 0)?.stdout,
    );
  });
});
