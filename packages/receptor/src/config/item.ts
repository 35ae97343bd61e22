import { ReceptorError } from '@receptor/protocol';
import type { Position, Raw } from './raw.js';
import { type Field, PHASES, type Section } from './section.js';
import { findSection, type SectionName, type Settings } from './sections/index.js';

interface Item<N extends SectionName> {
  readonly section: N;
  readonly settings: Settings<N>;
  readonly at: Position;
  /** Where each field that was given stands. */
  readonly fieldsAt: Readonly<Partial<Record<keyof Settings<N>, Position>>>;
}

/** One section of a configuration as it was read: its settings are typed by `section`. */
export type ConfigItem = { [N in SectionName]: Item<N> }[SectionName];

/** An error of the configuration; the message is the whole of what a person gets to see. */
export function configError(message: string, cause?: unknown): ReceptorError {
  return new ReceptorError('RECEPTOR_CONFIG_INVALID', message, cause === undefined ? {} : { cause });
}

/** The place as it is added to a message, such as ` (foo.yml:3:5)`; nothing for the command line. */
export function describePosition({ file, line, column }: Position): string {
  return file === undefined || line === undefined ? '' : ` (${file}:${line}:${column ?? 1})`;
}

/** Something that is wrong with a configuration, and where. */
export interface Problem {
  readonly message: string;
  readonly at: Position;
  /** What was meant, such as `, did you mean "port"?`. */
  readonly hint?: string;
  /** Where the section begins that it is in. */
  readonly section?: Position;
  readonly cause?: unknown;
}

/** Is told of a problem. Where it returns, reading goes on behind the problem. */
export type Report = (problem: Problem) => void;

/** Puts up with no problem. @throws ReceptorError `RECEPTOR_CONFIG_INVALID` */
export const refuse: Report = ({ message, at, hint = '', cause }) => {
  throw configError(message + describePosition(at) + hint, cause);
};

/** The same for items that say the same, however and wherever they say it. */
export const itemKey = ({ section, settings }: ConfigItem): string => JSON.stringify([section, settings]);

/** Gathers the fields of one section while they are read. */
export class ItemBuilder {
  readonly section: Section<SectionName>;
  readonly #at: Position;
  readonly #values = new Map<string, unknown>();
  readonly #fieldsAt = new Map<string, Position>();

  constructor(section: Section<SectionName>, at: Position) {
    this.section = section;
    this.#at = at;
  }

  /** The name of the field as it is declared, whatever the case it was typed in. */
  findField(name: string): string | undefined {
    const lower = name.toLowerCase();
    return Object.hasOwn(this.section.fields, lower) ? lower : undefined;
  }

  /** The field that takes a value without a name. */
  bareField(): string | undefined {
    return Object.entries(this.section.fields).find(([, field]) => field.bare)?.[0];
  }

  /** @throws Error what is wrong with the value */
  set(name: string, raw: Raw): void {
    const { kind } = this.#field(name);
    this.#fieldsAt.set(name, raw.at ?? this.#at);
    this.#values.set(name, kind.read(raw, this.#values.has(name) ? this.#values.get(name) : kind.empty));
  }

  /** What is missing, as `required parameter missing: port`. */
  missing(form: 'list' | 'map' = 'list'): string | undefined {
    const names = Object.entries(this.section.fields)
      .filter(([name, { required }]) => (required === true || required === form) && !this.#fieldsAt.has(name))
      .map(([name]) => name);
    if (names.length === 0) return undefined;
    return `required parameter${names.length > 1 ? 's' : ''} missing: ${names.join(', ')}`;
  }

  build(): ConfigItem {
    const settings = Object.fromEntries(
      Object.entries(this.section.fields).map(([name, field]) => [
        name,
        this.#values.has(name) ? this.#values.get(name) : defaultValue(field),
      ]),
    );
    // The values were read by the kinds of this section's fields, so they have the types of its settings.
    return {
      section: this.section.name,
      settings,
      at: this.#at,
      fieldsAt: Object.fromEntries(this.#fieldsAt),
    } as unknown as ConfigItem;
  }

  #field(name: string): Field<unknown> {
    const field = this.section.fields[name];
    if (!field) throw new Error(`unknown field name ${name}`);
    return field;
  }
}

function defaultValue({ kind, default: value }: Field<unknown>): unknown {
  return value === undefined ? kind.empty : kind.read({ type: 'string', value }, kind.empty);
}

/**
 * Checks all that can be told from the configuration alone, in the order in which the Go daemon finds it.
 * @param report is told what is wrong
 * @throws ReceptorError `RECEPTOR_CONFIG_INVALID`, unless `report` puts up with it
 */
export function checkItems(items: readonly ConfigItem[], report: Report = refuse): void {
  const there: ReadonlySet<string> = new Set(items.map(({ section }) => section));
  for (const phase of PHASES) {
    for (const item of items) {
      const problem = findSection(item.section)?.checks?.[phase]?.(item.settings, there);
      if (problem !== undefined) report({ message: problem, at: item.at, section: item.at });
      if (phase === 'run') checkReferences(item, items, report);
    }
  }
}

/** A setting that names another section, such as `tls`, must name one that is there. */
function checkReferences(item: ConfigItem, items: readonly ConfigItem[], report: Report): void {
  const settings: Readonly<Record<string, unknown>> = item.settings;
  const places: Readonly<Record<string, Position | undefined>> = item.fieldsAt;
  for (const [name, { refersTo, onlyWith }] of Object.entries(findSection(item.section)?.fields ?? {})) {
    const wanted = settings[name];
    if (!refersTo || !wanted || (onlyWith && !settings[onlyWith])) continue;
    const found = items.some(
      (other) => other.section === refersTo && 'name' in other.settings && other.settings.name === wanted,
    );
    if (!found)
      report({ message: `unknown TLS config ${wanted}`, at: places[name] ?? item.at, section: item.at });
  }
}
