import { hint } from './hint.js';
import { type ConfigItem, configError, describePosition } from './item.js';
import type { Position, Raw } from './raw.js';
import { readContent } from './section-content.js';
import { findSection, SECTIONS } from './sections/index.js';

/**
 * Reads a file that is a list of sections (reference: config, 3).
 * @throws ReceptorError `RECEPTOR_CONFIG_INVALID`
 */
export function readListItems(values: readonly Raw[]): ConfigItem[] {
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
  const builder = readContent(section, content, at, (message) => {
    throw configError(message);
  });
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
