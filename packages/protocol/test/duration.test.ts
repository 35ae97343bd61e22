import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatDuration, parseDuration, parseDurationMs } from '../src/index.js';

describe('reading a Go duration', () => {
  it.each([
    ['0', 0n],
    ['-0', 0n],
    ['5s', 5_000_000_000n],
    ['1h20m30s', 4_830_000_000_000n],
    ['1.5h', 5_400_000_000_000n],
    ['-1.5h', -5_400_000_000_000n],
    ['+5s', 5_000_000_000n],
    ['.5s', 500_000_000n],
    ['5.s', 5_000_000_000n],
    ['300ms', 300_000_000n],
    ['12us', 12_000n],
    ['12\u00b5s', 12_000n],
    ['12\u03bcs', 12_000n],
    ['0.3333333333333333333h', 1_200_000_000_000n],
    ['9007199254.740993ms', 9_007_199_254_740_993n],
    ['9223372036854775807ns', 9_223_372_036_854_775_807n],
    ['-9223372036854775808ns', -9_223_372_036_854_775_808n],
    ['0.100000000000000000000h', 360_000_000_000n],
    ['0.9223372036854775807h', 3_320_413_933_267n],
  ])('%s', (text, nanoseconds) => {
    expect(parseDuration(text)).toBe(nanoseconds);
  });

  it.each([
    ['', 'time: invalid duration ""'],
    ['zz', 'time: invalid duration "zz"'],
    ['5', 'time: missing unit in duration "5"'],
    ['5.', 'time: missing unit in duration "5."'],
    ['1h5', 'time: missing unit in duration "1h5"'],
    ['1d', 'time: unknown unit "d" in duration "1d"'],
    ['3toString', 'time: unknown unit "toString" in duration "3toString"'],
    ['.s', 'time: invalid duration ".s"'],
    ['-', 'time: invalid duration "-"'],
    ['--5s', 'time: invalid duration "--5s"'],
    ['1 h', 'time: unknown unit " h" in duration "1 h"'],
    ['1h ', 'time: unknown unit "h " in duration "1h "'],
    ['3000000h', 'time: invalid duration "3000000h"'],
    ['9223372036854775808ns', 'time: invalid duration "9223372036854775808ns"'],
    ['99999999999999999999', 'time: invalid duration "99999999999999999999"'],
    ['5\u00b5', 'time: unknown unit "\\xc2\\xb5" in duration "5\\xc2\\xb5"'],
    ['"\\', 'time: invalid duration "\\"\\\\"'],
  ])('refuses %s in the words of Go', (text, message) => {
    expect(() => parseDuration(text)).toThrow(
      expect.objectContaining({ code: 'RECEPTOR_DURATION_INVALID', message }),
    );
  });

  it('refuses a very long text unread', () => {
    expect(() => parseDuration('1h'.repeat(10_000))).toThrow('time: invalid duration');
  });

  it('gives milliseconds with their fraction', () => {
    expect(parseDurationMs('1.5s')).toBe(1500);
    expect(parseDurationMs('1us')).toBe(0.001);
  });
});

describe('writing a Go duration', () => {
  it.each([
    [0, '0s'],
    [751, '751ns'],
    [5_648, '5.648\u00b5s'],
    [617_192, '617.192\u00b5s'],
    [1_598_427, '1.598427ms'],
    [2_500_000_000, '2.5s'],
    [60_000_000_000, '1m0s'],
    [4_830_000_000_000, '1h20m30s'],
    [-1_000, '-1\u00b5s'],
    [9_223_372_036_854_775_807n, '2562047h47m16.854775807s'],
  ])('%s', (nanoseconds, text) => {
    expect(formatDuration(nanoseconds)).toBe(text);
  });

  it('is read back as the same duration', () => {
    const int64 = fc.bigInt({ min: -(2n ** 63n) + 1n, max: 2n ** 63n - 1n });
    fc.assert(fc.property(int64, (ns) => parseDuration(formatDuration(ns)) === ns));
  });
});
