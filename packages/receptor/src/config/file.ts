import { readFile } from 'node:fs/promises';
import { ReceptorError } from '@receptor/protocol';
import { describeFileError } from './file-error.js';
import { type ConfigItem, configError, type Problem, type Report, refuse } from './item.js';
import { readListItems } from './list-form.js';
import { readMapItems } from './map-form.js';
import type { Raw } from './raw.js';

/** What a configuration file holds. */
export interface LoadedFile {
  readonly items: readonly ConfigItem[];
  /** Whether it has the form of a map. */
  readonly isMap?: boolean;
  /** Oddities that are no errors; each is one line for the log. */
  readonly warnings: readonly string[];
}

/**
 * Reads a configuration file, whichever of the two forms it has (reference: config, 3 and 4).
 * @throws ReceptorError `RECEPTOR_CONFIG_INVALID`, with the message of the Go daemon and the place in the file
 */
export async function loadFile(path: string): Promise<LoadedFile> {
  try {
    return await readConfiguration(path, refuse);
  } catch (error) {
    if (error instanceof ReceptorError)
      throw configError(`error loading config file: ${error.message}`, error.cause);
    throw error;
  }
}

/**
 * Does the same, and leaves it to `report` whether a problem ends it.
 * @throws ReceptorError `RECEPTOR_CONFIG_INVALID` when the file cannot be read
 */
export async function readConfiguration(path: string, report: Report): Promise<LoadedFile> {
  const source = await readText(path);
  // The YAML parser takes a third of the time to start, and a daemon that is all arguments does without it.
  const { readYaml, tagOf, YamlError } = await import('./yaml.js');
  const nothing = { items: [], warnings: [] };
  let file: Awaited<ReturnType<typeof readYaml>>;
  try {
    file = readYaml(source, path);
  } catch (cause) {
    if (!(cause instanceof YamlError)) throw cause;
    report({ message: cause.message, at: cause.at, cause });
    return nothing;
  }
  const { value, warnings } = file;
  switch (value.type) {
    case 'null':
      return { items: [], warnings };
    case 'list':
      return { items: readListItems(value.items, report), warnings };
    case 'map': {
      const { items, warnings: more } = readMapItems(value.entries, report);
      return { items, isMap: true, warnings: [...warnings, ...more] };
    }
    default:
      report(neitherForm(value, tagOf(value)));
      return nothing;
  }
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw configError(describeFileError(path, error), error);
  }
}

function neitherForm(value: Raw, tag: string): Problem {
  const at = value.at ?? {};
  const shown = 'value' in value ? ` \`${abbreviate(String(value.value))}\`` : '';
  return {
    message: `yaml: unmarshal errors:\n  line ${at.line ?? 1}: cannot unmarshal !!${tag}${shown} into []interface {}`,
    at,
  };
}

const abbreviate = (value: string): string => (value.length > 10 ? `${value.slice(0, 7)}...` : value);
