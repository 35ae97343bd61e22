/** Something a person typed that the command line does not accept; the text is click's, which scripts know. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
  /** What a person may have meant. */
  readonly hint: string | undefined;

  constructor(message: string, hint?: string) {
    super(message);
    this.hint = hint;
  }
}

/** An option of a command: how it is written, what it is called in help, and what its text becomes. */
export interface Option<T> {
  /** Short form first, as help shows them: `['-p', '--payload']`. */
  readonly names: readonly string[];
  readonly help: string;
  /** Shown after the names; a flag has none and takes no value. */
  readonly metavar?: string;
  /** Environment variable that is read when the option is absent. An empty variable counts as absent. */
  readonly env?: string;
  readonly initial: T;
  /** Makes the value from everything given for the option, in order. Never called without one. */
  convert(given: readonly string[]): T;
}

interface Extras<T> {
  env?: string;
  initial?: T;
}

const last = (given: readonly string[]): string => given.at(-1) ?? '';

export function flag(names: string[], help: string): Option<boolean> {
  return { names, help, initial: false, convert: () => true };
}

export function text(names: string[], help: string, extras: Extras<string> = {}): Option<string | undefined> {
  return { names, help, metavar: 'TEXT', initial: undefined, convert: last, ...extras };
}

/** An option that may be given more than once. */
export function texts(names: string[], help: string): Option<readonly string[]> {
  return { names, help, metavar: 'TEXT', initial: [], convert: (given) => given };
}

export function integer(names: string[], help: string, initial: number): Option<number> {
  const convert = (given: readonly string[]) => {
    const value = last(given);
    // Python's int() allows blanks around a number and underscores between digits.
    if (!/^\s*[+-]?\d+(_\d+)*\s*$/.test(value)) throw new UsageError(`'${value}' is not a valid integer.`);
    return Number(value.replaceAll('_', ''));
  };
  return { names, help: `${help}  [default: ${initial}]`, metavar: 'INTEGER', initial, convert };
}

export function float(names: string[], help: string, initial: number): Option<number> {
  const convert = (given: readonly string[]) => {
    const value = last(given);
    if (!/^\s*[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?\s*$/i.test(value)) {
      throw new UsageError(`'${value}' is not a valid float.`);
    }
    return Number(value);
  };
  return { names, help: `${help}  [default: ${initial.toFixed(1)}]`, metavar: 'FLOAT', initial, convert };
}

const TRUE = new Set(['1', 't', 'true', 'y', 'yes', 'on']);
const FALSE = new Set(['', '0', 'f', 'false', 'n', 'no', 'off']);

/** A truth value that is written out, unlike a {@link flag}. */
export function boolean(names: string[], help: string): Option<boolean> {
  const convert = (given: readonly string[]) => {
    const value = last(given);
    const word = value.trim().toLowerCase();
    if (TRUE.has(word)) return true;
    if (FALSE.has(word)) return false;
    const words = [...TRUE, ...FALSE].sort().join(', ');
    throw new UsageError(`'${value}' is not a valid boolean. Recognized values: ${words}`);
  };
  return { names, help: `${help}  [default: False]`, metavar: 'BOOLEAN', initial: false, convert };
}
