/**
 * Writes a value as Go's encoding/json does: compact, with `<`, `>`, `&`, U+2028 and U+2029 escaped.
 *
 * A `Map` is a Go map: its keys are sorted by byte order. A plain object is a Go struct: its members keep their
 * order, and those that are `undefined` are left out. A bigint is written as an integer.
 * @throws TypeError for what JSON cannot hold (a function, NaN, a cycle's stack overflow is a RangeError).
 */
export function encodeGoJson(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return encodeString(value);
    case 'number':
      if (!Number.isFinite(value)) throw new TypeError(`json: unsupported value: ${value}`);
      return String(value);
    case 'boolean':
    case 'bigint':
      return String(value);
    case 'object':
      if (value === null) return 'null';
      if (Array.isArray(value)) return `[${value.map(encodeGoJson).join(',')}]`;
      if (value instanceof Map) return encodeMembers([...value].sort(([a], [b]) => compareBytes(a, b)));
      return encodeMembers(Object.entries(value));
    default:
      throw new TypeError(`json: unsupported type: ${typeof value}`);
  }
}

/** An object as a Go map, so that {@link encodeGoJson} sorts its keys. */
export function goMap(members: Readonly<Record<string, unknown>>): Map<string, unknown> {
  return new Map(Object.entries(members));
}

/** Orders two texts by the bytes of their UTF-8, as Go sorts strings. */
export function compareBytes(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i += 1) {
    const [left, right] = [a.charCodeAt(i), b.charCodeAt(i)];
    if (left === right) continue;
    // UTF-16 sorts differently only where a surrogate meets a character above it.
    return left >= 0xd800 && right >= 0xd800 ? Buffer.compare(Buffer.from(a), Buffer.from(b)) : left - right;
  }
  return a.length - b.length;
}

function encodeMembers(members: Iterable<readonly [string, unknown]>): string {
  let text = '';
  for (const [key, value] of members) {
    if (value === undefined) continue;
    text += `${text === '' ? '' : ','}${encodeString(key)}:${encodeGoJson(value)}`;
  }
  return `{${text}}`;
}

/** Anything but ASCII that stands for itself. */
const SPECIAL = /[^ !#-%'-;=?-[\]-~]/;
const ESCAPED = /[<>&\u2028\u2029]/g;

function encodeString(text: string): string {
  if (!SPECIAL.test(text)) return `"${text}"`;
  return JSON.stringify(text).replace(
    ESCAPED,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
