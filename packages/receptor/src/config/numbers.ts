const INT64_MAX = 2n ** 63n - 1n;
const INT64_MIN = -(2n ** 63n);

/** Underscores may stand between digits, or between the prefix and the first digit, as in Go's literals. */
const DIGITS: readonly (readonly [prefix: RegExp, digits: RegExp, literal: string])[] = [
  [/^0x/i, /^(_?[0-9a-f])+$/i, '0x'],
  [/^0b/i, /^(_?[01])+$/, '0b'],
  [/^0o/i, /^(_?[0-7])+$/, '0o'],
  [/^0(?=[0-9_])/, /^(_?[0-7])+$/, '0o'],
  [/^(?=[0-9])/, /^[0-9](_?[0-9])*$/, ''],
];

/** Reads a whole number of any size in Go's notations: decimal, `0x`, `0o`, `0b`, or octal after a leading `0`. */
export function parseInteger(source: string): bigint | undefined {
  const sign = /^[+-]/.test(source) ? source.slice(0, 1) : '';
  const unsigned = source.slice(sign.length);
  for (const [prefix, digits, literal] of DIGITS) {
    const match = prefix.exec(unsigned);
    if (!match) continue;
    const rest = unsigned.slice(match[0].length);
    if (!digits.test(rest)) return undefined;
    const value = BigInt(literal + rest.replaceAll('_', ''));
    return sign === '-' ? -value : value;
  }
  return undefined;
}

/** Whether a number fits in 64 bits with a sign. */
export const isInt64 = (value: bigint): boolean => value >= INT64_MIN && value <= INT64_MAX;

const DECIMAL = /^[+-]?([0-9](_?[0-9])*\.?([0-9](_?[0-9])*)?|\.[0-9](_?[0-9])*)([eE][+-]?[0-9]+)?$/;
const SPECIAL = /^([+-]?)(inf|infinity|nan)$/i;

/** Reads a floating point number as Go's `strconv.ParseFloat` does, hexadecimal floats apart. */
export function parseFloating(source: string): number | undefined {
  const special = SPECIAL.exec(source);
  if (special?.[2]) {
    if (special[2].toLowerCase() === 'nan') return special[1] ? undefined : Number.NaN;
    return special[1] === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  }
  // Underscores are for literals with a prefix only.
  return DECIMAL.test(source) && !source.includes('_') ? Number(source) : undefined;
}
