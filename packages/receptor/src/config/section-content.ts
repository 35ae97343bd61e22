import { hint } from './hint.js';
import { configError, describePosition, ItemBuilder } from './item.js';
import type { Position, Raw } from './raw.js';
import type { Section } from './section.js';
import type { SectionName } from './sections/index.js';

/**
 * Reads what stands in a file for one section: a map of its fields, a text for its bare field, or nothing.
 * @param unknownField is told of a field that the section does not have, and may throw
 * @throws ReceptorError `RECEPTOR_CONFIG_INVALID`
 */
export function readContent(
  section: Section<SectionName>,
  content: Raw,
  at: Position,
  unknownField: (message: string) => void,
): ItemBuilder {
  const builder = new ItemBuilder(section, at);
  if (content.type === 'string') setBare(builder, content, at);
  else if (content.type === 'map') setFields(builder, content.entries, at, unknownField);
  else if (content.type !== 'null')
    throw configError(`invalid config format for ${section.name}${describePosition(content.at ?? at)}`);
  return builder;
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

function setFields(
  builder: ItemBuilder,
  entries: readonly (readonly [Raw, Raw])[],
  at: Position,
  unknownField: (message: string) => void,
): void {
  const { name, fields } = builder.section;
  const seen = new Set<string>();
  for (const [key, value] of entries) {
    const where = describePosition(key.at ?? at);
    if (key.type !== 'string') throw configError(`invalid config format for ${name}${where}`);
    const field = builder.findField(key.value);
    if (field === undefined) {
      unknownField(
        `field ${key.value} not defined for command ${name}: unknown field name ${key.value}` +
          where +
          hint(key.value, Object.keys(fields)),
      );
      continue;
    }
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
