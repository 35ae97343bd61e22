import { describe, expect, it } from 'vitest';
import { renderHelp } from '../../src/config/help.js';
import { runs } from '../go-runs.js';

describe('--help', () => {
  it('is the text of the Go daemon, letter by letter', () => {
    expect(renderHelp('receptor')).toBe(runs.find(({ args }) => args.length === 0)?.stdout);
  });
});
