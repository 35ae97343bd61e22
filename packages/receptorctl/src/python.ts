import { compareBytes } from '@receptor/protocol';

/**
 * Texts that the Python client makes with its own language's notations, and scripts read: JSON as json.dumps writes it,
 * and dictionaries as str() writes them.
 */

/** The members of an object in the order of the daemon's replies, which JavaScript loses for keys made of digits. */
export function sortedEntries<T>(object: Readonly<Record<string, T>>): Array<[string, T]> {
  return Object.entries(object).sort(([a], [b]) => compareBytes(a, b));
}

const escapeAscii = (json: string): string =>
  json.replace(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);

/** JSON with sorted keys, four blanks of indent, and nothing but ASCII. */
export function prettyJson(value: unknown, indent = ''): string {
  if (value === null || typeof value !== 'object') return escapeAscii(JSON.stringify(value) ?? 'null');
  const inner = `${indent}    `;
  const [open, close] = Array.isArray(value) ? '[]' : '{}';
  const members = Array.isArray(value)
    ? value.map((item) => prettyJson(item, inner))
    : sortedEntries(value as Record<string, unknown>).map(
        ([key, item]) => `${escapeAscii(JSON.stringify(key))}: ${prettyJson(item, inner)}`,
      );
  if (members.length === 0) return `${open}${close}`;
  return `${open}\n${members.map((member) => inner + member).join(',\n')}\n${indent}${close}`;
}

const ESCAPES: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t', '\\': '\\\\' };

function stringLiteral(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must be escaped
  const body = text.replace(/[\u0000-\u001f\u007f-\u00a0\\]/g, (char) => {
    return ESCAPES[char] ?? `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`;
  });
  return quote + (quote === "'" ? body.replaceAll("'", "\\'") : body) + quote;
}

/** A value as Python writes it down: `{'type': 'Control Service'}`. */
export function pythonLiteral(value: unknown): string {
  if (value === null || value === undefined) return 'None';
  if (value === true) return 'True';
  if (value === false) return 'False';
  if (typeof value === 'string') return stringLiteral(value);
  if (Array.isArray(value)) return `[${value.map(pythonLiteral).join(', ')}]`;
  if (typeof value !== 'object') return String(value);
  const members = sortedEntries(value as Record<string, unknown>);
  return `{${members.map(([key, item]) => `${stringLiteral(key)}: ${pythonLiteral(item)}`).join(', ')}}`;
}
