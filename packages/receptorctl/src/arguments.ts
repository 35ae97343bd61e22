import { parseArgs } from 'node:util';
import { suggestion } from './hints.js';
import { type Option, UsageError } from './options.js';

/** Options by the names their values get. */
export type Options = Record<string, Option<unknown>>;

/** Positional arguments in order: exactly one word, or (only as the last) all that are left. */
export type Arguments = Record<string, 'one' | 'many'>;

/** What {@link parse} makes of a command line for these options and arguments. */
export type Values<O extends Options, A extends Arguments> = {
  [K in keyof O]: O[K] extends Option<infer T> ? T : never;
} & { [K in keyof A]: A[K] extends 'one' ? string : readonly string[] };

type Token = NonNullable<ReturnType<typeof parseArgs>['tokens']>[number];

/** Tells a request for help apart from values, which may be incomplete then. */
export type Parsed<V> = { help: true } | { help: false; values: V };

const HELP = 'help';

/** Splits a command line with node:util, which knows the forms (`-nf`, `-pFILE`, `--a=b`, `--`); judging is ours. */
function tokenize(args: readonly string[], options: Options): { tokens: Token[]; keys: Map<string, string> } {
  const keys = new Map<string, string>();
  const config: Record<string, { type: 'string' | 'boolean'; short?: string }> = {
    [HELP]: { type: 'boolean' },
  };
  for (const [key, option] of Object.entries(options)) {
    const long = option.names.find((name) => name.startsWith('--'))?.slice(2) ?? key;
    const short = option.names.find((name) => !name.startsWith('--'))?.slice(1);
    config[long] = { type: option.metavar === undefined ? 'boolean' : 'string', ...(short && { short }) };
    keys.set(long, key);
  }
  const { tokens } = parseArgs({ args: [...args], options: config, strict: false, tokens: true });
  return { tokens, keys };
}

/** Collects what was given for each option, in the order of their first mention; refuses what is no option. */
function collect(tokens: readonly Token[], options: Options, keys: ReadonlyMap<string, string>) {
  const given = new Map<string, string[]>();
  let help = false;
  for (const token of tokens) {
    if (token.kind !== 'option') continue;
    const key = keys.get(token.name);
    const option = key === undefined ? undefined : options[key];
    if (key === undefined || option === undefined) {
      if (token.name !== HELP) throw noSuchOption(token.rawName, options);
      help = true;
      continue;
    }
    if (option.metavar === undefined && token.value !== undefined) {
      throw new UsageError(`Option '${token.rawName}' does not take a value.`);
    }
    if (option.metavar !== undefined && token.value === undefined) {
      throw new UsageError(`Option '${token.rawName}' requires an argument.`);
    }
    given.set(key, [...(given.get(key) ?? []), token.value ?? '']);
  }
  return { given, help };
}

function noSuchOption(name: string, options: Options): UsageError {
  const known = Object.values(options).flatMap(({ names }) => names.filter((one) => one.startsWith('--')));
  const meant = suggestion(name, [...known, `--${HELP}`]);
  return new UsageError(
    `No such option: ${name}`,
    meant ? `did you mean ${meant}?` : '--help lists the options',
  );
}

/** Turns what was given into values, in click's order, so that of two mistakes the same one is reported. */
function convert(given: ReadonlyMap<string, string[]>, options: Options, env: NodeJS.ProcessEnv) {
  const values: Record<string, unknown> = {};
  for (const [key, list] of given) values[key] = options[key]?.convert(list);
  for (const [key, option] of Object.entries(options)) {
    if (given.has(key)) continue;
    const inherited = option.env === undefined ? undefined : env[option.env];
    values[key] = inherited ? option.convert([inherited]) : option.initial;
  }
  return values;
}

function assign(words: readonly string[], expected: Arguments): Record<string, string | string[]> {
  const values: Record<string, string | string[]> = {};
  let next = 0;
  for (const [name, count] of Object.entries(expected)) {
    if (count === 'many') {
      values[name] = words.slice(next);
      return values;
    }
    const word = words[next++];
    if (word === undefined) throw new UsageError(`Missing parameter: ${name}`);
    values[name] = word;
  }
  const extra = words.slice(next);
  if (extra.length > 0) {
    throw new UsageError(`Got unexpected extra argument${extra.length > 1 ? 's' : ''} (${extra.join(' ')})`);
  }
  return values;
}

/**
 * Reads a command's line; options may stand among its arguments until `--`.
 * @throws UsageError in click's words
 */
export function parse<O extends Options, A extends Arguments>(
  args: readonly string[],
  options: O,
  expected: A,
  env: NodeJS.ProcessEnv,
): Parsed<Values<O, A>> {
  const { tokens, keys } = tokenize(args, options);
  const { given, help } = collect(tokens, options, keys);
  if (help) return { help };
  const values = convert(given, options, env);
  const words = tokens.flatMap((token) => (token.kind === 'positional' ? [token.value] : []));
  // The records were built key by key from O and A; the compiler cannot follow that.
  return { help, values: { ...values, ...assign(words, expected) } as Values<O, A> };
}

/**
 * Reads the options before a command's name, and hands back the name and all after it untouched.
 * @throws UsageError in click's words
 */
export function parseGroup<O extends Options>(
  args: readonly string[],
  options: O,
  env: NodeJS.ProcessEnv,
): Parsed<Values<O, Record<never, never>>> & { rest: readonly string[] } {
  const { tokens, keys } = tokenize(args, options);
  const end = tokens.findIndex((token) => token.kind !== 'option');
  const first = tokens[end];
  const start =
    first === undefined ? args.length : first.index + (first.kind === 'option-terminator' ? 1 : 0);
  const { given, help } = collect(end < 0 ? tokens : tokens.slice(0, end), options, keys);
  const rest = args.slice(start);
  if (help) return { help, rest };
  return { help, rest, values: convert(given, options, env) as Values<O, Record<never, never>> };
}
