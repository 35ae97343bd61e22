import { malformed } from './message.js';

/** A JSON number as it was written: an epoch has more digits than a number of JavaScript can hold. */
export class NumberText {
  constructor(readonly text: string) {}
}

/** A JSON value whose numbers are kept as text, and whose keys still have their mark. */
type Json = null | boolean | string | NumberText | readonly Json[] | { readonly [key: string]: Json };

/** A string without an end is one too, to be refused later: to look for its end again from each quote in it would take seconds. */
const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?$)|-?\d[\d.eE+-]*/gs;
const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;
const UINT64 = /^(?:0|[1-9]\d{0,19})$/;
const UINT64_END = 1n << 64n;

/**
 * The members of a JSON object, by lower-case key: a Go node does not tell upper from lower case in keys.
 * A number goes through the native parser as a string with a mark, and every string with another one.
 */
function parseObject(text: string): Map<string, Json> {
  const marked = text.replace(TOKEN, (token) => {
    if (token.startsWith('"')) return `"$${token.slice(1)}`;
    if (!NUMBER.test(token)) throw malformed(`invalid number ${token} in a message`);
    return `"#${token}"`;
  });
  const value: unknown = JSON.parse(marked, function (this: unknown, key, member: unknown) {
    if (key.startsWith('#') && !Array.isArray(this)) throw malformed('a key is not a string');
    if (typeof member !== 'string') return member;
    return member.startsWith('#') ? new NumberText(member.slice(1)) : member.slice(1);
  });
  if (value === null || typeof value !== 'object' || Array.isArray(value))
    throw malformed('a message is not a JSON object');
  return new Map(Object.entries(value).map(([key, member]) => [key.slice(1).toLowerCase(), member as Json]));
}

/** Reads the fields of a JSON object one by one; a missing or null one is its zero value, as in Go. */
export class FieldReader {
  readonly #members: Map<string, Json>;

  /** @throws MeshError `RECEPTOR_MESH_MESSAGE` when the text is no JSON object */
  constructor(text: string) {
    try {
      this.#members = parseObject(text);
    } catch (error) {
      throw malformed('a message is not a JSON object', error);
    }
  }

  has(key: string): boolean {
    return this.#get(key) !== null;
  }

  string(key: string): string {
    const value = this.#get(key);
    if (value === null) return '';
    if (typeof value !== 'string') throw malformed(`${key} is not a string`);
    return wellFormed(value);
  }

  boolean(key: string): boolean {
    const value = this.#get(key);
    if (value === null) return false;
    if (typeof value !== 'boolean') throw malformed(`${key} is not true or false`);
    return value;
  }

  uint64(key: string): bigint {
    const value = this.#get(key);
    if (value === null) return 0n;
    const number = value instanceof NumberText && UINT64.test(value.text) ? BigInt(value.text) : UINT64_END;
    if (number >= UINT64_END) throw malformed(`${key} is not a whole number of 64 bits`);
    return number;
  }

  byte(key: string): number {
    const number = this.uint64(key);
    if (number > 255n) throw malformed(`${key} is not a whole number of 8 bits`);
    return Number(number);
  }

  /** An object's members, or null. */
  members(key: string): [string, Json][] | null {
    const value = this.#get(key);
    if (value === null) return null;
    if (typeof value !== 'object' || Array.isArray(value) || value instanceof NumberText)
      throw malformed(`${key} is not an object`);
    return Object.entries(value).map(([name, member]) => [wellFormed(name.slice(1)), member]);
  }

  /** A list of objects, or null. */
  objects(key: string): FieldReader[] | null {
    const value = this.#get(key);
    if (value === null) return null;
    if (!Array.isArray(value)) throw malformed(`${key} is not a list`);
    return (value as readonly Json[]).map((item) => FieldReader.#of(item, key));
  }

  static #of(item: Json, key: string): FieldReader {
    if (item === null || typeof item !== 'object' || Array.isArray(item) || item instanceof NumberText)
      throw malformed(`${key} is not a list of objects`);
    const reader = new FieldReader('{}');
    for (const [name, member] of Object.entries(item))
      reader.#members.set(name.slice(1).toLowerCase(), member);
    return reader;
  }

  #get(key: string): Json {
    return this.#members.get(key.toLowerCase()) ?? null;
  }
}

/** A lone half of a surrogate pair would become something else on its next way through the wire. */
function wellFormed(text: string): string {
  return /\p{Surrogate}/u.test(text) ? Buffer.from(text).toString() : text;
}

const PLAIN = /^[\w.:@/ -]*$/;
const ESCAPES = /[<>&\u2028\u2029]/g;

/** A JSON string as Go writes it, with the characters escaped that mean something in HTML. */
export function jsonString(text: string): string {
  if (PLAIN.test(text)) return `"${text}"`;
  return JSON.stringify(text).replace(
    ESCAPES,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** A JSON object from keys and values that are JSON already, its keys sorted as Go sorts those of a map. */
export function jsonMap(members: Iterable<readonly [string, string]>): string {
  const sorted = [...members].sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${sorted.map(([key, value]) => `${jsonString(key)}:${value}`).join(',')}}`;
}
