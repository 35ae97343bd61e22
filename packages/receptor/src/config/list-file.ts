import { readFile } from 'node:fs/promises';
import { ReceptorError } from '@receptor/protocol';
import { describeFileError } from './file-error.js';
import { hint } from './hint.js';
import { type ConfigItem, configError, describePosition, ItemBuilder } from './item.js';
import type { Position, Raw } from './raw.js';
import { findSection, SECTIONS } from './sections/index.js';

/** What a configuration file holds. */
export interface LoadedFile {
  readonly items: readonly ConfigItem[];
  /** Oddities that are no errors; each is one line for the log. */
  readonly warnings: readonly string[];
}

/**
 * Reads a configuration file in its list form (reference: config, 3).
 * @throws ReceptorError `RECEPTOR_CONFIG_INVALID`, with the message of the Go daemon and the place in the file
 */
export async function loadListFile(path: string): Promise<LoadedFile> {
  try {
    return await load(path);
  } catch (error) {
    if (error instanceof ReceptorError)
      throw configError(`error loading config file: ${error.message}`, error.cause);
    throw error;
  }
}

async function load(path: string): Promise<LoadedFile> {
  const source = await readText(path);
  // The YAML parser takes a third of the time to start, and a daemon that is all arguments does without it.
  const { readYaml, tagOf, YamlError } = await import('./yaml.js');
  try {
    const { value, warnings } = readYaml(source, path);
    if (value.type === 'null') return { items: [], warnings };
    if (value.type !== 'list') throw notAList(value, tagOf(value));
    return { items: readItems(value.items), warnings };
  } catch (error) {
    if (error instanceof YamlError) throw configError(error.message + describePosition(error.at), error);
    throw error;
  }
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw configError(describeFileError(path, error), error);
  }
}

function notAList(value: Raw, tag: string): ReceptorError {
  const at = value.at ?? {};
  const shown = 'value' in value ? ` \`${abbreviate(String(value.value))}\`` : '';
  const message =
    `yaml: unmarshal errors:\n  line ${at.line ?? 1}: cannot unmarshal !!${tag}${shown} into []interface {}` +
    describePosition(at);
  return configError(
    value.type === 'map'
      ? `${message}\n  This is the map form of the configuration ("version: 2"), which is not implemented yet; ` +
          'write a list, one "- section:" for each.'
      : message,
  );
}

const abbreviate = (value: string): string => (value.length > 10 ? `${value.slice(0, 7)}...` : value);

function readItems(values: readonly Raw[]): ConfigItem[] {
  const items: ConfigItem[] = [];
  for (const value of values) {
    const item = readItem(value);
    if (findSection(item.section)?.single && items.some(({ section }) => section === item.section))
      throw configError(`only one ${item.section} directive is allowed${describePosition(item.at)}`);
    items.push(item);
  }
  return items;
}

function readItem(raw: Raw): ConfigItem {
  const { name, content, at } = splitItem(raw);
  const section = findSection(name);
  if (!section) {
    const names = SECTIONS.map((known) => known.name);
    throw configError(
      `could not get config type for command ${name}: unknown config type ${name}` +
        describePosition(at) +
        hint(name, names),
    );
  }
  const builder = new ItemBuilder(section, at);
  if (content.type === 'string') setBare(builder, content, at);
  else if (content.type === 'map') setFields(builder, content.entries, at);
  else if (content.type !== 'null')
    throw configError(`invalid config format for ${name}${describePosition(content.at ?? at)}`);
  const missing = builder.missing();
  if (missing !== undefined) throw configError(`error in ${name}: ${missing}${describePosition(at)}`);
  return builder.build();
}

/** The name of an item's section, and what stands after it. */
function splitItem(raw: Raw): { name: string; content: Raw; at: Position } {
  const at = raw.at ?? {};
  if (raw.type === 'string') return { name: raw.value, content: { type: 'null' }, at };
  if (raw.type !== 'map') throw configError(`unknown config file format${describePosition(at)}`);
  const [entry, another] = raw.entries;
  if (!entry || another)
    throw configError(
      `config format invalid: item has multiple names${describePosition(another?.[0].at ?? at)}`,
    );
  const [key, content] = entry;
  if (key.type !== 'string')
    throw configError(`section key is not a string${describePosition(key.at ?? at)}`);
  return { name: key.value, content, at: key.at ?? at };
}

function setBare(builder: ItemBuilder, content: Raw, at: Position): void {
  const { name } = builder.section;
  const field = builder.bareField();
  const where = describePosition(content.at ?? at);
  if (field === undefined)
    throw configError(
      `could not get barevalue for command ${name}: command does not allow bare values${where}`,
    );
  setField(builder, field, field, content, where);
}

function setFields(builder: ItemBuilder, entries: readonly (readonly [Raw, Raw])[], at: Position): void {
  const { name, fields } = builder.section;
  const seen = new Set<string>();
  for (const [key, value] of entries) {
    const where = describePosition(key.at ?? at);
    if (key.type !== 'string') throw configError(`invalid config format for ${name}${where}`);
    const field = builder.findField(key.value);
    if (field === undefined)
      throw configError(
        `field ${key.value} not defined for command ${name}: unknown field name ${key.value}` +
          where +
          hint(key.value, Object.keys(fields)),
      );
    // Go takes either, by chance.
    if (seen.has(field)) throw configError(`field ${field} is given twice for command ${name}${where}`);
    seen.add(field);
    setField(builder, field, key.value, value, describePosition(value.at ?? at));
  }
}

function setField(builder: ItemBuilder, field: string, typed: string, value: Raw, where: string): void {
  try {
    builder.set(field, value);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw configError(
      `error setting field ${typed} in command ${builder.section.name}: ${reason}${where}`,
      error,
    );
  }
}
