import { hint } from './hint.js';
import { type ConfigItem, type Report, refuse } from './item.js';
import type { Position, Raw } from './raw.js';
import { readContent } from './section-content.js';
import { findSection, SECTIONS } from './sections/index.js';

/**
 * Reads a file that is a list of sections (reference: config, 3).
 * @param report is told what is wrong; sections that cannot be read at all are then left out
 * @throws ReceptorError `RECEPTOR_CONFIG_INVALID`, unless `report` puts up with it
 */
export function readListItems(values: readonly Raw[], report: Report = refuse): ConfigItem[] {
  const items: ConfigItem[] = [];
  for (const value of values) {
    const item = readItem(value, report);
    if (!item) continue;
    const { section, at } = item;
    if (findSection(section)?.single && items.some((other) => other.section === section))
      report({ message: `only one ${section} directive is allowed`, at, section: at });
    items.push(item);
  }
  return items;
}

function readItem(raw: Raw, report: Report): ConfigItem | undefined {
  const split = splitItem(raw, report);
  if (!split) return undefined;
  const { name, content, at } = split;
  const section = findSection(name);
  if (!section) {
    const names = SECTIONS.map((known) => known.name);
    report({
      message: `could not get config type for command ${name}: unknown config type ${name}`,
      at,
      hint: hint(name, names),
    });
    return undefined;
  }
  const builder = readContent(section, content, at, report, report);
  const missing = builder.missing();
  if (missing !== undefined) report({ message: `error in ${name}: ${missing}`, at, section: at });
  return builder.build();
}

/** The name of an item's section, and what stands after it. */
function splitItem(raw: Raw, report: Report): { name: string; content: Raw; at: Position } | undefined {
  const at = raw.at ?? {};
  if (raw.type === 'string') return { name: raw.value, content: { type: 'null' }, at };
  const entries = raw.type === 'map' ? raw.entries : undefined;
  const [entry, another] = entries ?? [];
  if (!entries) report({ message: 'unknown config file format', at });
  else if (!entry || another)
    report({ message: 'config format invalid: item has multiple names', at: another?.[0].at ?? at });
  else if (entry[0].type !== 'string')
    report({ message: 'section key is not a string', at: entry[0].at ?? at });
  else return { name: entry[0].value, content: entry[1], at: entry[0].at ?? at };
  return undefined;
}
