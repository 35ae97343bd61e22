import { access } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { loadFile } from './file.js';
import { hint } from './hint.js';
import { type ConfigItem, configError, ItemBuilder } from './item.js';
import { findSection, SECTIONS } from './sections/index.js';

/** What the command line asks for. */
export type Request =
  | { readonly ask: 'help'; readonly section?: string }
  | { readonly ask: 'completion' }
  | { readonly ask: 'version' }
  | ({ readonly ask: 'run' } & Configuration);

/** A configuration that is complete, and in the order in which its sections are put in force. */
export interface Configuration {
  readonly items: readonly ConfigItem[];
  /** The first file that was named. */
  readonly file?: string;
  /** The files that have the form of a map: a daemon reloads by itself when one of them changes. */
  readonly mapFiles?: readonly string[];
  /** What it was read from; a reload reads it again. */
  readonly args: readonly string[];
  /** Oddities that are no errors; each is one line for the log. */
  readonly warnings: readonly string[];
}

/** Options that are no section. */
const OPTIONS = ['help', 'config', 'config-v2', 'bash-completion'];
/** Go reads the map form only where this is given; we see for ourselves what form a file has. */
const MAP_FORM = '--config-v2';

/**
 * Reads a command line in Receptor's own style, `--section field=value …`, and the files it names
 * (reference: config, 2). The checks of {@link checkItems} are not made yet.
 * @param args the arguments, without the program
 * @throws ReceptorError `RECEPTOR_CONFIG_INVALID` in the words of the Go daemon
 */
export async function parseArguments(args: readonly string[]): Promise<Request> {
  const items: ConfigItem[] = [];
  const warnings: string[] = [];
  let file: string | undefined;
  let fromMaps = 0;
  const mapFiles: string[] = [];
  let open: { builder: ItemBuilder; typed: string } | undefined;
  let expectsFile = false;

  const close = (): void => {
    if (expectsFile) warnings.push('--config without the name of a file is ignored');
    expectsFile = false;
    if (!open) return;
    const missing = open.builder.missing();
    if (missing !== undefined) throw configError(`error in ${open.typed}: ${missing}`);
    items.push(open.builder.build());
    open = undefined;
  };

  const load = async (path: string): Promise<void> => {
    file ??= path;
    const loaded = await loadFile(path);
    for (const item of loaded.items) {
      if (isRepeated(item.section, items))
        throw configError(`error loading config file: only one ${item.section} directive is allowed`);
    }
    items.push(...loaded.items);
    if (loaded.isMap) {
      fromMaps += loaded.items.length;
      mapFiles.push(path);
    }
    warnings.push(...loaded.warnings);
  };

  if (args.length === 0) return { ask: 'help' };
  for (const [index, argument] of args.entries()) {
    const lower = argument.toLowerCase();
    if (lower === MAP_FORM) continue;
    if (lower === '-h' || lower === '--help') return helpOf(open?.builder.section.name ?? args[index + 1]);
    if (lower === '--bash-completion') return { ask: 'completion' };
    if (argument.startsWith('-')) {
      close();
      const name = lower.replace(/^--?/, '');
      if (name === 'config' || name === 'c') expectsFile = true;
      else if (name.startsWith('config=')) await load(argument.slice(argument.indexOf('=') + 1));
      else open = { builder: openSection(name, items), typed: argument };
    } else if (expectsFile) {
      expectsFile = false;
      await load(argument);
    } else {
      if (!open) throw configError('parameter specified before command');
      setParameter(open.builder, argument);
    }
  }
  close();
  if (file === undefined && args.some((argument) => argument.toLowerCase() === MAP_FORM))
    await load(await defaultFile());
  const source = {
    args,
    warnings,
    ...(file !== undefined && { file }),
    ...(mapFiles.length > 0 && { mapFiles }),
  };
  return completed(items, source, fromMaps === items.length);
}

/** Help for the section that `--help` stands behind, or that stands behind it; without one, for all. */
function helpOf(word = ''): Request {
  const section = findSection(word.toLowerCase().replace(/^--?/, ''))?.name;
  return { ask: 'help', ...(section !== undefined && { section }) };
}

/** Where the map form is looked for when no file is named. */
async function defaultFile(): Promise<string> {
  const path = join(homedir(), 'receptor.yaml');
  try {
    await access(path);
    return path;
  } catch (error) {
    throw configError(`Could not locate config file (default is ${path})`, error);
  }
}

const isRepeated = (name: string, items: readonly ConfigItem[]): boolean =>
  findSection(name)?.single === true && items.some(({ section }) => section === name);

function openSection(name: string, items: readonly ConfigItem[]): ItemBuilder {
  const section = findSection(name);
  if (!section) {
    const known = [...SECTIONS.map((each) => each.name), ...OPTIONS];
    throw configError(`command error: unknown config type ${name}${hint(name, known)}`);
  }
  if (isRepeated(name, items)) throw configError(`directive "${name}" is only allowed once`);
  return new ItemBuilder(section, {});
}

function setParameter(builder: ItemBuilder, argument: string): void {
  const equals = argument.indexOf('=');
  const bare = equals < 0;
  const typed = bare ? builder.bareField() : argument.slice(0, equals).toLowerCase();
  if (typed === undefined) throw configError('config error: command does not allow bare values');
  const field = builder.findField(typed);
  if (field === undefined) {
    const close = hint(typed, Object.keys(builder.section.fields));
    throw configError(`config error: unknown field name ${typed}${close}`);
  }
  try {
    builder.set(field, { type: 'string', value: argument.slice(equals + 1) });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const name = bare ? field.charAt(0).toUpperCase() + field.slice(1) : typed;
    throw configError(`error setting config value for field ${name}: ${reason}`, error);
  }
}

/** The sections that a configuration has though nothing says so. */
export function missingItems(items: readonly ConfigItem[]): ConfigItem[] {
  // Nothing but certificates is asked for: that needs no node.
  if (items.length > 0 && items.every(({ section }) => findSection(section)?.exclusive)) return [];
  const missing = SECTIONS.filter(
    ({ implicit, name }) => implicit && !items.some(({ section }) => section === name),
  );
  return missing.map((section) => new ItemBuilder(section, {}).build());
}

/** Sees to sections that must be alone, and adds those that must not be missing. */
function completed(items: ConfigItem[], source: Omit<Configuration, 'items'>, mayBeMore: boolean): Request {
  const exclusive = items.find(({ section }) => findSection(section)?.exclusive);
  // A file in the form of a map can ask for several certificates at once, and for a daemon after them.
  if (exclusive && items.length > 1 && !mayBeMore)
    throw configError(`cannot specify any other options with ${exclusive.section}`);
  if (exclusive?.section === 'version') return { ask: 'version' };
  items.push(...missingItems(items));
  return { ask: 'run', items, ...source };
}
