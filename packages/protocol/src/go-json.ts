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
      if (value instanceof Map) return encodeGoMap(Object.fromEntries(value));
      return encodeMembers(value as Record<string, unknown>, Object.keys(value), encodeGoJson);
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

/**
 * Writes an object as a Go map, with its keys sorted by byte order, without making a `Map` of it first.
 * @param encode writes the members
 */
export function encodeGoMap<Value>(
  members: Readonly<Record<string, Value>>,
  encode: (value: Value) => string = encodeGoJson,
): string {
  const keys = Object.keys(members);
  if (keys.some((key, i) => i > 0 && compareBytes(keys[i - 1] ?? '', key) > 0)) keys.sort(compareBytes);
  return encodeMembers(members, keys, encode);
}

function encodeMembers<Value>(
  members: Readonly<Record<string, Value>>,
  keys: readonly string[],
  encode: (value: Value) => string,
): string {
  let text = '';
  for (const key of keys) {
    const value = members[key];
    if (value === undefined) continue;
    text += `${text === '' ? '' : ','}${encodeString(key)}:${encode(value)}`;
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
