import { describeJsonError, quoteGo } from '@receptor/protocol';
import { isInt64, parseFloating, parseInteger } from './numbers.js';
import { plain, type Raw, rawFromJson, text } from './raw.js';

/** A type that a field may have: how it is called, and how a value becomes one. */
export interface Kind<T> {
  /** The type as `--help` names it. */
  readonly label: string;
  /** The value of a field that is not given and has no default. */
  readonly empty: T;
  /**
   * Reads a value in the way of the Go daemon. `before` is what the field has from an earlier mention.
   * @throws Error with the reason, in Go's words
   */
  read(raw: Raw, before: T): T;
}

const TRUE = new Set(['1', 't', 'T', 'Y', 'true', 'TRUE', 'True', 'yes', 'Yes', 'YES']);
const FALSE = new Set(['0', 'f', 'F', 'N', 'false', 'FALSE', 'False', 'no', 'No', 'NO']);

const typeError = (goType: string): Error => new Error(`type error (expected ${goType})`);
const notNull = (raw: Raw): Raw => {
  if (raw.type === 'null') throw new Error('value cannot be nil');
  return raw;
};

export const stringKind: Kind<string> = {
  label: 'string',
  empty: '',
  read(raw) {
    notNull(raw);
    if (raw.type === 'list' || raw.type === 'map') throw typeError('string');
    return text(raw);
  },
};

export const intKind: Kind<number> = {
  label: 'int',
  empty: 0,
  read(raw) {
    notNull(raw);
    if (raw.type === 'string') {
      const value = parseInteger(raw.value);
      if (value === undefined) throw goNumberError('ParseInt', raw.value, 'invalid syntax');
      return safeInteger(value);
    }
    if (raw.type === 'int') return safeInteger(raw.value);
    // Go cuts the decimals off; a port of 22.5 is a mistake that should be heard of.
    if (raw.type === 'float' && Number.isInteger(raw.value)) return safeInteger(BigInt(raw.value));
    throw typeError('int');
  },
};

export const floatKind: Kind<number> = {
  label: 'float64',
  empty: 0,
  read(raw) {
    notNull(raw);
    if (raw.type === 'string') {
      const value = parseFloating(raw.value);
      if (value === undefined) throw goNumberError('ParseFloat', raw.value, 'invalid syntax');
      if (!Number.isFinite(value) && /[0-9]/.test(raw.value))
        throw goNumberError('ParseFloat', raw.value, 'value out of range');
      return value;
    }
    if (raw.type === 'int' || raw.type === 'float') return Number(raw.value);
    throw typeError('float64');
  },
};

export const boolKind: Kind<boolean> = {
  label: 'bool',
  empty: false,
  read(raw) {
    notNull(raw);
    if (raw.type === 'bool') return raw.value;
    if (raw.type !== 'string') throw typeError('bool');
    if (TRUE.has(raw.value)) return true;
    if (FALSE.has(raw.value)) return false;
    throw new Error(`could not parse ${raw.value} as boolean`);
  },
};

export const stringListKind: Kind<readonly string[]> = {
  label: '[]string (may be repeated)',
  empty: [],
  read(raw, before) {
    if (raw.type === 'null') return [];
    const value = fromJsonText(raw, '[');
    if (value.type === 'list') return value.items.map(listItem);
    if (value.type === 'string') return [...before, value.value];
    throw typeError('[]string');
  },
};

export const numberMapKind: Kind<Readonly<Record<string, number>>> = {
  label: 'JSON dict of string to float64',
  empty: {},
  read: (raw) =>
    readMap(raw, 'map[string]float64', (item) => {
      if (item.type === 'int' || item.type === 'float') return Number(item.value);
      throw new Error(`invalid value ${text(item)}: must be type float64`);
    }),
};

export const mapKind: Kind<Readonly<Record<string, unknown>>> = {
  label: 'JSON dict with string keys',
  empty: {},
  read: (raw) => readMap(raw, 'map[string]interface {}', plain),
};

/** One rule of `firewallrules`, as it stands in the configuration. */
export type FirewallRule = Readonly<Record<string, unknown>>;

export const ruleListKind: Kind<readonly FirewallRule[]> = {
  label: 'JSON list of JSON dict of JSON data to JSON data',
  empty: [],
  read(raw) {
    if (raw.type === 'null') return [];
    const value = fromJsonText(raw, '[');
    if (value.type !== 'list') throw typeError('[]netceptor.FirewallRuleData');
    return value.items.map((item) => {
      if (item.type !== 'map')
        throw new Error(`invalid value ${text(item)}: must be type netceptor.FirewallRuleData`);
      return plainMap(item.entries, plain);
    });
  },
};

function goNumberError(call: string, source: string, problem: string): Error {
  return new Error(`strconv.${call}: parsing ${quoteGo(source)}: ${problem}`);
}

function safeInteger(value: bigint): number {
  const result = Number(value);
  if (!isInt64(value) || !Number.isSafeInteger(result))
    throw goNumberError('ParseInt', String(value), 'value out of range');
  return result;
}

function listItem(item: Raw): string {
  // Go turns a number into the character of that code here; nobody can want that.
  if (item.type === 'string' || item.type === 'int') return text(item);
  throw new Error(`invalid value ${text(item)}: must be type string`);
}

/** A list or map may also be given as a string of JSON; that is how the command line has them. */
function fromJsonText(raw: Raw, opening: '[' | '{'): Raw {
  if (raw.type !== 'string' || !raw.value.startsWith(opening)) return raw;
  try {
    return rawFromJson(JSON.parse(raw.value));
  } catch (error) {
    throw new Error(describeJsonError(raw.value) ?? 'invalid JSON', { cause: error });
  }
}

function readMap<T>(raw: Raw, goType: string, item: (raw: Raw) => T): Readonly<Record<string, T>> {
  if (raw.type === 'null') return {};
  const value = fromJsonText(raw, '{');
  if (value.type !== 'map') throw typeError(goType);
  return plainMap(value.entries, item);
}

function plainMap<T>(
  entries: readonly (readonly [Raw, Raw])[],
  item: (raw: Raw) => T,
): Readonly<Record<string, T>> {
  return Object.fromEntries(
    entries.map(([key, value]) => {
      if (key.type !== 'string' && key.type !== 'int')
        throw new Error(`invalid key ${text(key)}: must be type string`);
      return [text(key), item(value)];
    }),
  );
}
