import { hint } from './hint.js';
import { type ConfigItem, describePosition, type Report, refuse } from './item.js';
import type { Position, Raw } from './raw.js';
import type { Section } from './section.js';
import { readContent } from './section-content.js';
import { SECTIONS, type SectionName } from './sections/index.js';

/** The key of a section: its own name where there can be one only, otherwise the plural. */
export const mapKey = ({ name, single, plural }: Section<SectionName>): string =>
  single ? name : (plural ?? `${name}s`);

/**
 * Reads a file that is a map, `version: 2` (reference: config, 4). What it has and we do not know is passed over, as the
 * Go daemon does, but not in silence.
 * @param report is told what is wrong
 * @throws ReceptorError `RECEPTOR_CONFIG_INVALID`, unless `report` puts up with it
 */
export function readMapItems(
  entries: readonly (readonly [Raw, Raw])[],
  report: Report = refuse,
): {
  readonly items: ConfigItem[];
  readonly warnings: string[];
} {
  const sections = new Map(
    SECTIONS.filter(({ name }) => name !== 'version').map((section) => [mapKey(section), section]),
  );
  const items: ConfigItem[] = [];
  const warnings: string[] = [];
  const ignored: Report = ({ message, at, hint: meant = '' }) =>
    warnings.push(`${message}${describePosition(at)}${meant}; ignored`);
  for (const [key, value] of entries) {
    const at = key.at ?? {};
    const name = key.type === 'string' ? key.value.toLowerCase() : '';
    const section = sections.get(name);
    if (name === 'version') checkVersion(value, at, report);
    else if (section) items.push(...readSections(section, value, at, report, ignored));
    else
      ignored({
        message: `unknown key ${'value' in key ? key.value : key.type}`,
        at,
        hint: hint(name, sections.keys()),
      });
  }
  return { items, warnings };
}

function checkVersion(value: Raw, at: Position, report: Report): void {
  if (value.type === 'int' && value.value === 2n) return;
  const shown = 'value' in value ? String(value.value) : value.type;
  report({ message: `version ${shown} of the configuration is not known; the map form is version 2`, at });
}

/** The items of a key: of a list one each, of anything else one. */
function readSections(
  section: Section<SectionName>,
  value: Raw,
  at: Position,
  report: Report,
  unknownField: Report,
): ConfigItem[] {
  if (section.single)
    return isMeant(section, value) ? [readItem(section, value, at, report, unknownField)] : [];
  if (value.type === 'null') return [];
  const contents = value.type === 'list' ? value.items : [value];
  return contents.map((content) => readItem(section, content, content.at ?? at, report, unknownField));
}

/** Whether a section is there: with nothing under its key it is not, but for `local-only`, which needs nothing. */
function isMeant(section: Section<SectionName>, value: Raw): boolean {
  if (section.name !== 'local-only') return value.type !== 'null';
  const local =
    value.type === 'map' ? value.entries.find(([key]) => 'value' in key && key.value === 'local') : undefined;
  return local === undefined || local[1].type !== 'bool' || local[1].value;
}

function readItem(
  section: Section<SectionName>,
  content: Raw,
  at: Position,
  report: Report,
  unknownField: Report,
): ConfigItem {
  const builder = readContent(section, withoutNulls(content), at, report, unknownField);
  const missing = builder.missing('map');
  if (missing !== undefined) report({ message: `error in ${section.name}: ${missing}`, at, section: at });
  return builder.build();
}

/** A field with nothing behind its colon is as good as none in this form. */
const withoutNulls = (content: Raw): Raw =>
  content.type === 'map'
    ? { ...content, entries: content.entries.filter(([, value]) => value.type !== 'null') }
    : content;
