import {
  boolKind,
  floatKind,
  intKind,
  type Kind,
  mapKind,
  numberMapKind,
  ruleListKind,
  stringKind,
  stringListKind,
} from './kinds.js';

/** The headings under which `--help` lists the sections, in their order. */
export const GROUPS = {
  general: '',
  resources: 'Commands that configure resources used by other commands:',
  backends: 'Commands to configure back-ends, which connect Receptor nodes together:',
  services: 'Commands to configure services that run on top of the Receptor mesh:',
  workers: 'Commands to configure workers that process units of work:',
  certificates: 'Commands to generate certificates and run a certificate authority',
} as const;

/** What is said of a field where it is declared. */
export interface FieldOptions {
  readonly help?: string;
  /** What there is to know besides, in whole sentences: for the reference page, as `--help` is the Go daemon's. */
  readonly note?: string;
  /** The default, as one would type it. */
  readonly default?: string;
  /** `list`: only in the list form and on the command line, where it may be empty. */
  readonly required?: true | 'list';
  /** A value without `name=` is for this field; so is a string in place of the section's map. */
  readonly bare?: true;
  /** The Go daemon does not have it. */
  readonly own?: true;
  /** The value, if any, is the `name` of a section of this kind. */
  readonly refersTo?: 'tls-server' | 'tls-client';
  /** Means nothing unless the section's field of this name is given too. */
  readonly onlyWith?: string;
}

/** A field of a section. */
export interface Field<T> extends FieldOptions {
  readonly kind: Kind<T>;
}

const field =
  <T>(kind: Kind<T>) =>
  (help?: string, options: Omit<FieldOptions, 'help'> = {}): Field<T> => ({
    kind,
    ...(help === undefined ? {} : { help }),
    ...options,
  });

/** Makes a field of each kind: `string('what it means', { default: 'x' })`. */
export const string = field(stringKind);
export const int = field(intKind);
export const float = field(floatKind);
export const bool = field(boolKind);
export const stringList = field(stringListKind);
export const numberMap = field(numberMapKind);
export const map = field(mapKind);
export const ruleList = field(ruleListKind);

/** The steps in which a configuration is put in force: each for all sections before the next one begins. */
export const PHASES = ['init', 'prepare', 'run'] as const;

export type Fields = Readonly<Record<string, Field<unknown>>>;

/** The values of a section's fields, all present: where nothing is given, the default or the empty value. */
export type SettingsOf<F extends Fields> = {
  readonly [K in keyof F]: F[K] extends Field<infer T> ? T : never;
};

/** Everything there is to say about a section of the configuration, but for what it does. */
export interface Section<N extends string = string, F extends Fields = Fields> {
  readonly name: N;
  readonly group: keyof typeof GROUPS;
  readonly help: string;
  readonly fields: F;
  /** May stand in a configuration once only. */
  readonly single?: true;
  /** Is added at the end, without fields, where it is missing. */
  readonly implicit?: true;
  /** Its key in the map form, where that is not the name with an `s`. */
  readonly plural?: string;
  /** Must be the only section. */
  readonly exclusive?: true;
  /** The Go daemon does not have it. */
  readonly own?: true;
  /** What there is to know besides, in whole sentences: for the reference page and the help of this section alone. */
  readonly notes?: string;
  /**
   * What can be told to be wrong from the configuration alone, by the phase in which the Go daemon finds it.
   * Each returns the message, or undefined. `there` are the names of all sections of the configuration.
   */
  readonly checks?: {
    init?(settings: SettingsOf<F>): string | undefined;
    prepare?(settings: SettingsOf<F>): string | undefined;
    run?(settings: SettingsOf<F>, there: ReadonlySet<string>): string | undefined;
  };
}

/** Declares a section; the one place where its name, fields, defaults, help and checks stand. */
export function defineSection<const N extends string, F extends Fields>(
  section: Section<N, F>,
): Section<N, F> {
  return section;
}
