import { expect, test } from 'vitest';
import { isUnitId, randomUnitId } from '../../src/units/unit-id.js';

test('draws eight letters and digits, none twice in a thousand', () => {
  const ids = Array.from({ length: 1000 }, randomUnitId);
  for (const id of ids) expect(id).toMatch(/^[0-9a-zA-Z]{8}$/);
  expect(new Set(ids).size).toBe(1000);
  expect(new Set(ids.join('')).size).toBe(62);
});

test.each(['', '.', '..', '../foo', 'a/b', 'a\0', 'a b', 'ä', 'a\n', 'x'.repeat(65)])(
  'refuses %j',
  (text) => {
    expect(isUnitId(text)).toBe(false);
  },
);
