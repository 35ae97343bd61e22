import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeStatus, encodeStatus } from '../../src/units/status-file.js';

const go = '{"State":2,"Detail":"exit status 0","StdoutSize":11,"WorkType":"cat","ExtraData":null}\n';

test("reads and writes a status as the Go daemon's, byte for byte", () => {
  expect(encodeStatus(decodeStatus(go))).toBe(go);
});

test('escapes the characters that Go escapes', () => {
  const status = {
    State: 3 as const,
    Detail: '<a> & b\u2028',
    StdoutSize: 0,
    WorkType: 'x',
    ExtraData: { k: '<' },
  };
  const text = encodeStatus(status);
  expect(text).toContain('\\u003ca\\u003e \\u0026 b\\u2028');
  expect(decodeStatus(text)).toEqual(status);
});

test('takes zero values for absent members', () => {
  expect(decodeStatus('{}')).toEqual({ State: 0, Detail: '', StdoutSize: 0, WorkType: '', ExtraData: null });
});

test.each([
  '',
  '{',
  '[]',
  'null',
  '5',
  '{"State":"x"}',
  '{"State":1.5}',
  '{"Detail":1}',
  '{"StdoutSize":"1"}',
  '{"WorkType":null}',
])('refuses %j', (text) => {
  expect(() => decodeStatus(text)).toThrow(SyntaxError);
});

test('keeps every status as it is', () => {
  const status = fc.record({
    State: fc.constantFrom(0, 1, 2, 3, 4) as fc.Arbitrary<0 | 1 | 2 | 3 | 4>,
    Detail: fc.string({ unit: 'binary' }),
    StdoutSize: fc.maxSafeNat(),
    WorkType: fc.string(),
    ExtraData: fc.oneof(
      fc.constant(null),
      fc.dictionary(
        fc.string().filter((k) => k !== '__proto__'),
        fc.string(),
      ),
    ),
  });
  fc.assert(
    fc.property(status, (value) => {
      const text = encodeStatus(value);
      expect(text.indexOf('\n')).toBe(text.length - 1);
      expect(decodeStatus(text)).toEqual(value);
    }),
  );
});
