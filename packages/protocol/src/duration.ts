import { ReceptorError } from './errors.js';

// The package `ms` knows single units only, and none of Go's error texts: it would not carry its weight here.

const UNITS: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1_000n,
  '\u00b5s': 1_000n,
  '\u03bcs': 1_000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
};

const MAX = 2n ** 63n;
/** Longer texts are refused unread; the longest duration that says anything new has far fewer digits. */
const LONGEST = 1024;

/**
 * Reads a duration in Go's notation: an optional sign and one or more numbers, each with a unit, such as
 * `1h20m30s`, `1.5h`, `300ms`, `-2us`; or `0`.
 * @returns nanoseconds.
 * @throws ReceptorError `RECEPTOR_DURATION_INVALID` in the words of Go, such as `time: invalid duration "zz"`.
 */
export function parseDuration(text: string): bigint {
  const fail = (why: string): ReceptorError =>
    new ReceptorError('RECEPTOR_DURATION_INVALID', `time: ${why} ${quote(text)}`);
  const invalid = (): ReceptorError => fail('invalid duration');
  const negative = text.startsWith('-');
  const unsigned = text.replace(/^[-+]/, '');
  if (unsigned === '0') return 0n;
  if (unsigned === '' || text.length > LONGEST) throw invalid();
  let total = 0n;
  const part = /([0-9]*)(?:\.([0-9]*))?([^.0-9]*)/y;
  while (part.lastIndex < unsigned.length) {
    const [, whole = '', fraction = '', unit = ''] = part.exec(unsigned) ?? [];
    if (whole === '' && fraction === '') throw invalid();
    if (BigInt(whole) > MAX) throw invalid();
    if (unit === '') throw fail('missing unit in duration');
    const scale = Object.hasOwn(UNITS, unit) ? UNITS[unit] : undefined;
    if (scale === undefined) throw fail(`unknown unit ${quote(unit)} in duration`);
    total += BigInt(whole) * scale + fractionOf(fraction, scale);
    if (total > MAX) throw invalid();
  }
  if (negative) return -total;
  if (total === MAX) throw invalid();
  return total;
}

/**
 * Reads a duration in Go's notation; see {@link parseDuration}.
 * @returns milliseconds, with a fraction where the duration is not a whole number of them.
 * @throws ReceptorError `RECEPTOR_DURATION_INVALID`.
 */
export function parseDurationMs(text: string): number {
  return Number(parseDuration(text)) / 1e6;
}

/**
 * Writes a duration as Go prints it: `751ns`, `617.192µs` (µ is U+00B5), `1.598427ms`, `2.5s`, `1h20m30s`, `0s`.
 * @param nanoseconds whole nanoseconds; the fraction of a number is dropped.
 */
export function formatDuration(nanoseconds: bigint | number): string {
  const total = typeof nanoseconds === 'bigint' ? nanoseconds : BigInt(Math.trunc(nanoseconds));
  const sign = total < 0n ? '-' : '';
  const size = total < 0n ? -total : total;
  if (size === 0n) return '0s';
  if (size < 1_000n) return `${sign}${size}ns`;
  if (size < 1_000_000n) return `${sign}${decimal(size, 3)}\u00b5s`;
  if (size < 1_000_000_000n) return `${sign}${decimal(size, 6)}ms`;
  const minutes = size / 60_000_000_000n;
  const seconds = `${decimal(size % 60_000_000_000n, 9)}s`;
  if (minutes === 0n) return `${sign}${seconds}`;
  const hours = minutes / 60n;
  return `${sign}${hours > 0n ? `${hours}h` : ''}${minutes % 60n}m${seconds}`;
}

/** Go computes the fraction in floating point and cuts it; so the same text is the same duration here. */
function fractionOf(digits: string, unit: bigint): bigint {
  let value = 0n;
  let scale = 1;
  for (const digit of digits) {
    // Further digits would not fit Go's integer, and change nothing.
    if (value > (MAX - 1n) / 10n || value * 10n + BigInt(digit) > MAX) break;
    value = value * 10n + BigInt(digit);
    scale *= 10;
  }
  return BigInt(Math.trunc(Number(value) * (Number(unit) / scale)));
}

function decimal(value: bigint, places: number): string {
  const digits = value.toString().padStart(places + 1, '0');
  const fraction = digits.slice(-places).replace(/0+$/, '');
  return `${digits.slice(0, -places)}${fraction === '' ? '' : `.${fraction}`}`;
}

/** Quotes as Go's time package does: byte by byte outside printable ASCII. */
function quote(text: string): string {
  let quoted = '"';
  for (const byte of Buffer.from(text)) {
    const char = String.fromCharCode(byte);
    if (char === '"' || char === '\\') quoted += `\\${char}`;
    else if (byte < 0x20 || byte >= 0x80) quoted += `\\x${byte.toString(16).padStart(2, '0')}`;
    else quoted += char;
  }
  return `${quoted}"`;
}
