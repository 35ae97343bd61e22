import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { plain } from '../../src/config/raw.js';
import { readYaml } from '../../src/config/yaml.js';
import { runs } from '../go-runs.js';
import { configurationSchema, type Schema } from './schema.js';

const schema = configurationSchema();
const { definitions } = schema;

const typeOf = (value: unknown): string[] => {
  if (value === null) return ['null'];
  if (Array.isArray(value)) return ['array'];
  return Number.isInteger(value) ? ['integer', 'number'] : [typeof value];
};

/** Whether a value is what a schema describes; knows the words that ours has. */
function fits(schema: Schema, value: unknown): boolean {
  if (schema.$ref !== undefined) {
    const definition = definitions[decodeURIComponent(schema.$ref.replace('#/definitions/', ''))];
    if (!definition) throw new Error(`${schema.$ref} is not defined`);
    return fits(definition, value);
  }
  if (schema.anyOf && !schema.anyOf.some((each) => fits(each, value))) return false;
  if ('const' in schema && schema.const !== value) return false;
  if (schema.enum && !schema.enum.includes(value)) return false;
  if (schema.type && !typeOf(value).some((type) => [schema.type].flat().includes(type))) return false;
  if (Array.isArray(value)) return value.every((item) => !schema.items || fits(schema.items, item));
  if (value === null || typeof value !== 'object') return true;
  const { properties = {}, required = [], additionalProperties = true, minProperties = 0 } = schema;
  const names = Object.keys(value);
  if (names.length < minProperties || names.length > (schema.maxProperties ?? names.length)) return false;
  return (
    required.every((name) => names.includes(name)) &&
    Object.entries(value).every(([name, member]) => {
      const its = Object.hasOwn(properties, name) ? properties[name] : additionalProperties;
      return typeof its === 'object' ? fits(its, member) : its === true;
    })
  );
}

const fileFits = (text: string): boolean => fits(schema, plain(readYaml(text, 'a.yml').value));

describe('the JSON Schema', () => {
  // Names may be in any case, which a schema cannot say; an empty file is no list.
  const files = (accepted: boolean) =>
    runs
      .filter(({ exit, files: all }) => all && (exit === 'still running') === accepted)
      .flatMap(({ stdout, files: all }) => Object.values(all ?? {}).map((text) => ({ text, stdout })));

  it.each(files(true).filter(({ text }) => !/^ +[A-Z]/m.test(text)))(
    'takes what the Go daemon runs with: $text',
    ({ text }) => {
      expect(fileFits(text)).toBe(true);
    },
  );

  const SEEN =
    /unknown config type|unknown field name|multiple names|unknown config file format|parameters? missing|invalid config format|type error/;
  it.each(files(false).filter(({ stdout }) => SEEN.test(stdout)))(
    'does not take what is refused for its shape: $text',
    ({ text }) => {
      expect(fileFits(text)).toBe(false);
    },
  );

  it('takes the examples, and both forms of one configuration', () => {
    const examples = new URL('../../../../examples/', import.meta.url).pathname;
    const names = readdirSync(examples, { recursive: true, encoding: 'utf8' }).filter((name) =>
      /\.ya?ml$/.test(name),
    );
    const configurations = names
      .map((name) => readFileSync(join(examples, name), 'utf8'))
      .filter((text) => /^- node:|^node:/m.test(text) && !/^kind:/m.test(text));
    expect(configurations.length).toBeGreaterThan(0);
    for (const text of configurations) expect(fileFits(text)).toBe(true);
    expect(
      fileFits('version: 2\nnode: {id: foo}\ntcp-listeners: [{port: 1}]\ntls-clients: {name: a}\n'),
    ).toBe(true);
    expect(fileFits('version: 3\n')).toBe(false);
    expect(fileFits('tcp-listener: [{port: 1}]\n')).toBe(false);
    expect(fileFits('tcp-listeners: [{cost: 1}]\n')).toBe(false);
  });
});
