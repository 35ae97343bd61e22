/** Quotes a text as Go's strconv.Quote does: what is not printable is escaped. */
export function quoteGo(text: string): string {
  let quoted = '"';
  for (const char of text) quoted += char === '"' || char === '\\' ? `\\${char}` : escapeGo(char);
  return `${quoted}"`;
}

const NAMED_ESCAPES: Readonly<Record<string, string>> = {
  '\x07': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
};

function escapeGo(char: string): string {
  if (char === ' ' || /[\p{L}\p{M}\p{N}\p{P}\p{S}]/u.test(char)) return char;
  const named = NAMED_ESCAPES[char];
  if (named !== undefined) return named;
  const code = char.codePointAt(0) ?? 0;
  if (code < 0x80) return `\\x${code.toString(16).padStart(2, '0')}`;
  // A lone surrogate cannot occur in Go; it reads as the replacement character there.
  if (code >= 0xd800 && code <= 0xdfff) return '\ufffd';
  if (code < 0x1_0000) return `\\u${code.toString(16).padStart(4, '0')}`;
  return `\\U${code.toString(16).padStart(8, '0')}`;
}

/** Reads a decimal int64 as Go's strconv.ParseInt does; an Error has its exact text. */
export function parseIntGo(text: string): bigint | Error {
  const fail = (why: string) => new Error(`strconv.ParseInt: parsing ${quoteGo(text)}: ${why}`);
  if (!/^[+-]?[0-9]+$/.test(text)) return fail('invalid syntax');
  const digits = text.replace(/^([+-]?)0+(?=[0-9])/, '$1').replace(/^\+/, '');
  // An int64 has at most 19 digits and a sign: a longer number needs no reading.
  if (digits.length > 20) return fail('value out of range');
  const value = BigInt(digits);
  return BigInt.asIntN(64, value) === value ? value : fail('value out of range');
}

/** A value that was JSON, as Go's `%s` prints it: what is no string shows its type. */
export function formatStringVerb(value: unknown, depth = 0): string {
  if (typeof value === 'string') return value;
  if (value === null) return '%!s(<nil>)';
  if (typeof value === 'boolean') return `%!s(bool=${value})`;
  if (typeof value === 'number') return `%!s(float64=${value})`;
  // The nesting is the sender's; nobody needs to see it all.
  if (depth > 3) return '…';
  if (Array.isArray(value)) return `[${value.map((item) => formatStringVerb(item, depth + 1)).join(' ')}]`;
  const entries = Object.entries(value as object);
  return `map[${entries
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, item]) => `${key}:${formatStringVerb(item, depth + 1)}`)
    .join(' ')}]`;
}
