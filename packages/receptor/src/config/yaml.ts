import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseAllDocuments,
} from 'yaml';
import { parseFloating, parseInteger } from './numbers.js';
import { type Position, type Raw, text } from './raw.js';

/** What was read of a YAML file. */
export interface YamlFile {
  /** The first document; null where the file has none. */
  readonly value: Raw;
  /** What the Go daemon passes over in silence, and a person should hear of. */
  readonly warnings: readonly string[];
}

/** Thrown for a text that is no YAML; the message is like Go's, `yaml: line 2: …`. */
export class YamlError extends Error {
  readonly at: Position;

  constructor(message: string, at: Position, cause?: unknown) {
    super(message, { cause });
    this.at = at;
  }
}

/** Lists and maps that aliases repeat, beyond which a file is refused: a small one could become very large. */
const MAX_REPEATED = 10_000;
const TOO_DEEP = 'exceeded max depth';
/** Lists and maps within each other, beyond which a file is refused. */
const MAX_DEPTH = 1_000;

/**
 * Reads a YAML text as Go's yaml.v2 does, which follows YAML 1.1 in its own way: `yes` is a boolean, `0600` is
 * octal, and of several documents only the first one counts.
 * @param file the name for error messages
 * @throws YamlError
 */
export function readYaml(source: string, file: string): YamlFile {
  const lines = new LineCounter();
  // With this schema every scalar stays as it is written; what it means is decided below.
  const documents = parseAllDocuments(source, {
    schema: 'failsafe',
    lineCounter: lines,
    uniqueKeys: false,
    prettyErrors: false,
    logLevel: 'silent',
  });
  const document = 'empty' in documents ? undefined : documents[0];
  if (!document) return { value: { type: 'null' }, warnings: [] };
  const place = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { file, line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  const error = document.errors[0];
  if (error) {
    const at = place(error.pos[0]);
    const message = error.message.includes('call stack') ? TOO_DEEP : `line ${at.line}: ${error.message}`;
    throw new YamlError(`yaml: ${message}`, at, error);
  }
  const warnings: string[] = [];
  if (documents.length > 1)
    warnings.push(`${file}: only the first of ${documents.length} YAML documents is read`);
  const reader = new Reader(document, place, warnings);
  return { value: reader.read(document.contents), warnings };
}

class Reader {
  readonly #document: Document;
  readonly #place: (offset: number) => Position;
  readonly #warnings: string[];
  /** The aliases that are being followed, to find those that contain themselves. */
  readonly #following = new Set<Node>();
  #repeated = 0;
  #depth = 0;

  constructor(document: Document, place: (offset: number) => Position, warnings: string[]) {
    this.#document = document;
    this.#place = place;
    this.#warnings = warnings;
  }

  read(node: unknown): Raw {
    if (isScalar(node))
      return this.#scalar(node as Node & { value: unknown; source?: string; type?: string });
    const at = this.#at(node);
    if (this.#following.size > 0 && ++this.#repeated > MAX_REPEATED)
      throw new YamlError('yaml: document contains excessive aliasing', at);
    if (++this.#depth > MAX_DEPTH) throw new YamlError(`yaml: ${TOO_DEEP}`, at);
    const value = this.#collection(node, at);
    this.#depth--;
    return value;
  }

  /** Reads whatever is no scalar. */
  #collection(node: unknown, at: Position): Raw {
    if (isAlias(node)) {
      const target = node.resolve(this.#document);
      if (!target) throw new YamlError(`yaml: unknown anchor '${node.source}' referenced`, at);
      if (this.#following.has(target))
        throw new YamlError(`yaml: anchor '${node.source}' value contains itself`, at);
      this.#following.add(target);
      const value = this.read(target);
      this.#following.delete(target);
      return { ...value, at };
    }
    if (isSeq(node)) return { type: 'list', items: node.items.map((item) => this.read(item)), at };
    if (isMap(node)) return { type: 'map', entries: this.#entries(node.items), at };
    return { type: 'null', at };
  }

  /** The entries of a map. A later mention of a key replaces an earlier one, as in Go. */
  #entries(items: readonly { key: unknown; value: unknown }[]): (readonly [Raw, Raw])[] {
    const entries = new Map<string, readonly [Raw, Raw]>();
    const merged = new Map<string, readonly [Raw, Raw]>();
    for (const item of items) {
      const key = this.read(item.key);
      if (key.type === 'list' || key.type === 'map')
        throw new YamlError(`yaml: invalid map key: ${text(key)}`, key.at ?? {});
      const value = this.read(item.value);
      if (key.type === 'string' && key.value === '<<' && isScalar(item.key) && item.key.type === 'PLAIN') {
        for (const entry of mergeEntries(value)) merged.set(identity(entry[0]), entry);
        continue;
      }
      const id = identity(key);
      if (entries.has(id) && key.at)
        this.#warnings.push(
          `${key.at.file}:${key.at.line}:${key.at.column}: the key ${id.slice(id.indexOf(':') + 1)} is there twice; the last one counts`,
        );
      entries.set(id, [key, value]);
    }
    return [...new Map([...merged, ...entries]).values()];
  }

  #scalar(node: Node & { value: unknown; source?: string; type?: string }): Raw {
    const at = this.#at(node);
    // The text; the value of a scalar with a tag may have become something else already.
    const value = node.source ?? String(node.value ?? '');
    const tag = node.tag?.replace('tag:yaml.org,2002:', '!!');
    if (tag === '!!binary') return { type: 'string', value: Buffer.from(value, 'base64').toString(), at };
    if (tag === '!!str' || (tag === undefined && node.type !== 'PLAIN')) return { type: 'string', value, at };
    if (tag !== undefined && !/^!!(bool|int|float|null)$/.test(tag)) return { type: 'string', value, at };
    const resolved = resolvePlain(value);
    if (tag === '!!float' && resolved.type === 'int')
      return { type: 'float', value: Number(resolved.value), at };
    if (tag !== undefined && resolved.type !== tag.slice(2))
      throw new YamlError(`yaml: cannot decode !!${tagOf(resolved)} \`${value}\` as a ${tag}`, at);
    return { ...resolved, at };
  }

  #at(node: unknown): Position {
    const range = (node as { range?: readonly number[] | null } | null)?.range;
    return this.#place(range?.[0] ?? 0);
  }
}

/** The YAML tag, without its exclamation marks, that Go would name. */
export const tagOf = (raw: Raw): string =>
  ({ null: 'null', bool: 'bool', int: 'int', float: 'float', string: 'str', list: 'seq', map: 'map' })[
    raw.type
  ];

const identity = (key: Raw): string =>
  `${key.type}:${'value' in key ? String(key.value) : JSON.stringify(key)}`;

/** What `<<` adds to a map: the entries of one map, or of several, the first of which wins. */
function mergeEntries(value: Raw): readonly (readonly [Raw, Raw])[] {
  if (value.type === 'map') return value.entries;
  if (value.type === 'list' && value.items.every((item) => item.type === 'map'))
    return value.items.toReversed().flatMap((item) => (item.type === 'map' ? item.entries : []));
  throw new YamlError('yaml: map merge requires map or sequence of maps as the value', value.at ?? {});
}

const WORDS = new Map<string, Raw>([
  ...['y', 'Y', 'yes', 'Yes', 'YES', 'true', 'True', 'TRUE', 'on', 'On', 'ON'].map(
    (word) => [word, { type: 'bool', value: true }] as const,
  ),
  ...['n', 'N', 'no', 'No', 'NO', 'false', 'False', 'FALSE', 'off', 'Off', 'OFF'].map(
    (word) => [word, { type: 'bool', value: false }] as const,
  ),
  ...['', '~', 'null', 'Null', 'NULL'].map((word) => [word, { type: 'null' }] as const),
  ...['.nan', '.NaN', '.NAN'].map((word) => [word, { type: 'float', value: Number.NaN }] as const),
  ...['.inf', '.Inf', '.INF', '+.inf', '+.Inf', '+.INF'].map(
    (word) => [word, { type: 'float', value: Number.POSITIVE_INFINITY }] as const,
  ),
  ...['-.inf', '-.Inf', '-.INF'].map(
    (word) => [word, { type: 'float', value: Number.NEGATIVE_INFINITY }] as const,
  ),
]);

const FLOAT = /^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$/;
const UINT64_MAX = 2n ** 64n - 1n;
const INT64_MIN = -(2n ** 63n);

/** What a scalar without quotes means to Go's yaml.v2. */
export function resolvePlain(source: string): Raw {
  const word = WORDS.get(source);
  if (word) return word;
  if (source.startsWith('.')) {
    const value = parseFloating(source);
    return value === undefined ? { type: 'string', value: source } : { type: 'float', value };
  }
  if (/^[-+0-9]/.test(source)) {
    const digits = source.replaceAll('_', '');
    const int = parseInteger(digits);
    if (int !== undefined && int >= INT64_MIN && int <= UINT64_MAX) return { type: 'int', value: int };
    if (FLOAT.test(digits)) return { type: 'float', value: Number(digits) };
  }
  return { type: 'string', value: source };
}
