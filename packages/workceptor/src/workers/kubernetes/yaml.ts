import { parseAllDocuments, type Tags } from 'yaml';

/** Kinds of values that Go's parser does not know, or that JSON has no word for. */
const UNKNOWN_TO_GO = ['timestamp', 'binary', 'omap', 'pairs', 'set'];

/** What a text says, or why it says nothing. */
export type YamlReading = { value: unknown } | { error: string };

/**
 * Reads the first document of a text as the Go daemon does: YAML 1.1 (`0644` is octal, `yes` is true, `<<` merges),
 * without dates and numbers to the base 60; a key that is given twice counts once. JSON is read as well.
 */
export function readYaml(text: string): YamlReading {
  const documents = parseAllDocuments(text, {
    version: '1.1',
    prettyErrors: false,
    uniqueKeys: false,
    customTags: (tags: Tags) =>
      tags.filter((tag) => {
        if (typeof tag !== 'object') return !UNKNOWN_TO_GO.includes(String(tag));
        const format = 'format' in tag ? tag.format : undefined;
        return format !== 'TIME' && !UNKNOWN_TO_GO.includes(tag.tag.replace('tag:yaml.org,2002:', ''));
      }),
  });
  const document = Array.isArray(documents) ? documents[0] : undefined;
  if (!document) return { value: null };
  const [error] = document.errors;
  if (error) {
    const line = text.slice(0, error.pos[0]).split('\n').length;
    return { error: `yaml: line ${line}: ${error.message}` };
  }
  try {
    return { value: document.toJS({ maxAliasCount: 100 }) };
  } catch (error) {
    return { error: `yaml: ${(error as Error).message}` };
  }
}
