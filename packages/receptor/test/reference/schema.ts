import { mapKey } from '../../src/config/map-form.js';
import type { Field, Section } from '../../src/config/section.js';
import { SECTIONS, type SectionName } from '../../src/config/sections/index.js';
import { sentence } from './markdown.js';

/** As much of JSON Schema as is needed. */
export interface Schema {
  readonly $schema?: string;
  readonly title?: string;
  readonly $comment?: string;
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | Schema;
  readonly minProperties?: number;
  readonly maxProperties?: number;
  readonly items?: Schema;
  readonly description?: string;
  readonly default?: unknown;
}

/** A value of each type, by the name that `--help` has for the type. */
const VALUES: Readonly<Record<string, Schema>> = {
  string: { type: ['string', 'number', 'boolean'] },
  // Also in quotes, and in other notations than decimal.
  int: { type: ['integer', 'string'] },
  float64: { type: ['number', 'string'] },
  bool: { type: ['boolean', 'string'] },
  '[]string (may be repeated)': { type: ['array', 'string', 'null'], items: { type: ['string', 'integer'] } },
  'JSON dict of string to float64': {
    type: ['object', 'string', 'null'],
    additionalProperties: { type: 'number' },
  },
  'JSON dict with string keys': { type: ['object', 'string', 'null'] },
  'JSON list of JSON dict of JSON data to JSON data': {
    type: ['array', 'string', 'null'],
    items: { type: 'object', additionalProperties: { type: 'string' } },
  },
};

function fieldSchema({ kind, help, note, default: value }: Field<unknown>): Schema {
  const schema = VALUES[kind.label];
  if (!schema) throw new Error(`no schema for ${kind.label}`);
  const description = [help === undefined ? '' : sentence(help), note ?? ''].filter(Boolean).join(' ');
  return { ...schema, ...(description && { description }), ...(value !== undefined && { default: value }) };
}

/** A section by its fields, as it stands in a list, or in a map. */
function fieldsSchema({ help, fields }: Section<SectionName>, form: 'list' | 'map'): Schema {
  const required = Object.entries(fields).flatMap(([name, field]) =>
    field.required === true || field.required === form ? [name] : [],
  );
  return {
    description: sentence(help.replaceAll('\n', ' ')),
    type: 'object',
    properties: Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, fieldSchema(field)])),
    ...(required.length > 0 && { required }),
    additionalProperties: false,
  };
}

/** Whether a section differs in the two forms. */
const hasTwoForms = ({ fields }: Section<SectionName>): boolean =>
  Object.values(fields).some(({ required }) => required === 'list');

/** The name under which a section's fields are defined. */
const definitionName = (section: Section<SectionName>, form: 'list' | 'map'): string =>
  form === 'map' && hasTwoForms(section) ? `${section.name} in a map` : section.name;

const reference = (section: Section<SectionName>, form: 'list' | 'map'): Schema => ({
  $ref: `#/definitions/${definitionName(section, form).replaceAll(' ', '%20')}`,
});

const needsNothing = ({ fields }: Section<SectionName>): boolean =>
  Object.values(fields).every(({ required }) => !required);
const hasBare = ({ fields }: Section<SectionName>): boolean => Object.values(fields).some(({ bare }) => bare);

function inList(section: Section<SectionName>): Schema {
  const others = [...(needsNothing(section) ? ['null'] : []), ...(hasBare(section) ? ['string'] : [])];
  return { anyOf: [reference(section, 'list'), ...(others.length > 0 ? [{ type: others }] : [])] };
}

function inMap(section: Section<SectionName>): Schema {
  const one: Schema = {
    anyOf: [reference(section, 'map'), ...(hasBare(section) ? [{ type: 'string' }] : [])],
  };
  if (section.single) return { anyOf: [one, { type: 'null' }] };
  return { anyOf: [{ type: 'array', items: one }, one, { type: 'null' }] };
}

/** The JSON Schema of a configuration file, in either form. */
export function configurationSchema(): Schema & { readonly definitions: Readonly<Record<string, Schema>> } {
  const list: Schema = {
    type: 'array',
    items: {
      anyOf: [
        { enum: SECTIONS.filter(needsNothing).map(({ name }) => name) },
        {
          type: 'object',
          properties: Object.fromEntries(SECTIONS.map((section) => [section.name, inList(section)])),
          additionalProperties: false,
          minProperties: 1,
          maxProperties: 1,
        },
      ],
    },
  };
  const sections = SECTIONS.filter(({ name }) => name !== 'version');
  const map: Schema = {
    type: 'object',
    properties: {
      version: { const: 2 },
      ...Object.fromEntries(sections.map((section) => [mapKey(section), inMap(section)])),
    },
    additionalProperties: false,
  };
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'Configuration file of Receptor',
    $comment: 'Made from the declarations in the code by `npx -y pnpm@10 run docs`.',
    anyOf: [list, map],
    definitions: Object.fromEntries(
      SECTIONS.flatMap((section) =>
        (['list', 'map'] as const).map((form) => [
          definitionName(section, form),
          fieldsSchema(section, form),
        ]),
      ),
    ),
  };
}

/** The text of docs/reference/configuration.schema.json. */
export const schemaFile = (): string => `${JSON.stringify(configurationSchema(), undefined, 2)}\n`;
