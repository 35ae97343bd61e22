/** A place in the configuration, for error messages. Lines and columns count from 1. */
export interface Position {
  /** The name of the file; absent on the command line. */
  readonly file?: string;
  readonly line?: number;
  readonly column?: number;
}

/** A value as it was read, before a field gives it a type. Whole numbers and floats differ, as in Go. */
export type Raw = { readonly at?: Position } & (
  | { readonly type: 'null' }
  | { readonly type: 'bool'; readonly value: boolean }
  | { readonly type: 'int'; readonly value: bigint }
  | { readonly type: 'float'; readonly value: number }
  | { readonly type: 'string'; readonly value: string }
  | { readonly type: 'list'; readonly items: readonly Raw[] }
  | { readonly type: 'map'; readonly entries: readonly (readonly [key: Raw, value: Raw])[] }
);

/** What {@link JSON.parse} returned, in the form of {@link Raw}; its numbers are floats, as in Go. */
export function rawFromJson(value: unknown): Raw {
  switch (typeof value) {
    case 'boolean':
      return { type: 'bool', value };
    case 'number':
      return { type: 'float', value };
    case 'string':
      return { type: 'string', value };
    default:
      if (value === null || value === undefined) return { type: 'null' };
      if (Array.isArray(value)) return { type: 'list', items: value.map(rawFromJson) };
      return {
        type: 'map',
        entries: Object.entries(value).map(([key, item]) => [
          { type: 'string', value: key },
          rawFromJson(item),
        ]),
      };
  }
}

/** The plain JavaScript value; whole numbers become numbers. */
export function plain(raw: Raw): unknown {
  switch (raw.type) {
    case 'null':
      return null;
    case 'int':
      return Number(raw.value);
    case 'list':
      return raw.items.map(plain);
    case 'map':
      return Object.fromEntries(raw.entries.map(([key, value]) => [text(key), plain(value)]));
    default:
      return raw.value;
  }
}

/** A value as text, in Go's notation: floats have six decimals. */
export function text(raw: Raw): string {
  switch (raw.type) {
    case 'null':
      return '<nil>';
    case 'float':
      return goFloat(raw.value);
    case 'list':
    case 'map':
      return JSON.stringify(plain(raw));
    default:
      return String(raw.value);
  }
}

function goFloat(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf';
  // toFixed falls back to an exponent from 1e21 on; a whole number of that size has no decimals anyway.
  return Math.abs(value) < 1e21 ? value.toFixed(6) : `${BigInt(value)}.000000`;
}
