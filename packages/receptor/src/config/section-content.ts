import { hint } from './hint.js';
import { ItemBuilder, type Problem, type Report } from './item.js';
import type { Position, Raw } from './raw.js';
import type { Section } from './section.js';
import type { SectionName } from './sections/index.js';

/**
 * Reads what stands in a file for one section: a map of its fields, a text for its bare field, or nothing.
 * @param report is told what is wrong
 * @param unknownField is told of a field that the section does not have
 */
export function readContent(
  section: Section<SectionName>,
  content: Raw,
  at: Position,
  report: Report,
  unknownField: Report,
): ItemBuilder {
  const builder = new ItemBuilder(section, at);
  const within = (tell: Report) => (problem: Problem) => tell({ ...problem, section: at });
  if (content.type === 'string') setBare(builder, content, at, within(report));
  else if (content.type === 'map')
    setFields(builder, content.entries, at, within(report), within(unknownField));
  else if (content.type !== 'null')
    within(report)({ message: `invalid config format for ${section.name}`, at: content.at ?? at });
  return builder;
}

function setBare(builder: ItemBuilder, content: Raw, at: Position, report: Report): void {
  const { name } = builder.section;
  const field = builder.bareField();
  const where = content.at ?? at;
  if (field !== undefined) setField(builder, field, field, content, where, report);
  else
    report({
      message: `could not get barevalue for command ${name}: command does not allow bare values`,
      at: where,
    });
}

function setFields(
  builder: ItemBuilder,
  entries: readonly (readonly [Raw, Raw])[],
  at: Position,
  report: Report,
  unknownField: Report,
): void {
  const { name, fields } = builder.section;
  const seen = new Set<string>();
  for (const [key, value] of entries) {
    const where = key.at ?? at;
    if (key.type !== 'string') {
      report({ message: `invalid config format for ${name}`, at: where });
      continue;
    }
    const field = builder.findField(key.value);
    if (field === undefined) {
      unknownField({
        message: `field ${key.value} not defined for command ${name}: unknown field name ${key.value}`,
        at: where,
        hint: hint(key.value, Object.keys(fields)),
      });
      continue;
    }
    // Go takes either, by chance.
    if (seen.has(field)) report({ message: `field ${field} is given twice for command ${name}`, at: where });
    seen.add(field);
    setField(builder, field, key.value, value, value.at ?? at, report);
  }
}

function setField(
  builder: ItemBuilder,
  field: string,
  typed: string,
  value: Raw,
  at: Position,
  report: Report,
): void {
  try {
    builder.set(field, value);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    report({
      message: `error setting field ${typed} in command ${builder.section.name}: ${reason}`,
      at,
      cause,
    });
  }
}
