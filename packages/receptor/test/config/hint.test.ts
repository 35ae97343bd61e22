import { describe, expect, it } from 'vitest';
import { hint } from '../../src/config/hint.js';
import { SECTIONS } from '../../src/config/sections/index.js';

const names = SECTIONS.map(({ name }) => name);

describe('the hint for a name that is unknown', () => {
  it.each([
    ['tcp-listner', 'tcp-listener'],
    ['tcp-listeners', 'tcp-listener'],
    ['Control-Services', 'control-service'],
    ['work-comand', 'work-command'],
    ['work-kubernets', 'work-kubernetes'],
    ['ndoe', 'node'],
    ['loglevel', 'log-level'],
  ])('%s: %s', (typed, meant) => {
    expect(hint(typed, names)).toBe(`, did you mean "${meant}"?`);
  });

  it.each(['frobnicate', 'x', '', 'kubernetes-cluster'])('%s: none, where nothing is near', (typed) => {
    expect(hint(typed, names)).toBe('');
  });
});
