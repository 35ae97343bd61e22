import { BACKENDS } from './backends.js';
import { type Configuration, parseArguments } from './config/arguments.js';
import { type ConfigItem, checkItems, configError, itemKey } from './config/item.js';
import { findSection, type SectionName } from './config/sections/index.js';
import { SERVICES } from './services/sections.js';

/** Sections that can be changed while a daemon runs. */
const RELOADABLE: ReadonlySet<SectionName> = new Set([
  ...BACKENDS,
  ...SERVICES,
  'local-only',
  'log-level',
  'work-pruning',
]);

/** Why a reload is refused; the number is part of the reply, and of the exit code of receptorctl (reference: control, 5). */
class ReloadRefused extends Error {
  readonly number: 3 | 4;

  constructor(number: 3 | 4, message: string, cause?: unknown) {
    super(message, { cause });
    this.number = number;
  }
}

/**
 * Reads the arguments of a daemon, and with them its files, once more.
 * @param now what is in force
 * @returns what is to be in force
 * @throws ReloadRefused when it cannot be read, or when something has changed for which the daemon has to be started anew
 */
export async function readAgain(
  { file, args }: Pick<Configuration, 'file' | 'args'>,
  now: readonly ConfigItem[],
): Promise<readonly ConfigItem[]> {
  if (file === undefined)
    throw new ReloadRefused(4, 'no configuration file was provided, reload function not set');
  let items: readonly ConfigItem[];
  try {
    const request = await parseArguments(args);
    if (request.ask !== 'run') throw configError(`the configuration asks for ${request.ask}`);
    // Certificates are made before a daemon starts.
    items = request.items.filter(({ section }) => findSection(section)?.group !== 'certificates');
    checkItems(items);
  } catch (error) {
    throw new ReloadRefused(4, error instanceof Error ? error.message : String(error), error);
  }
  const [added] = difference(items, now);
  if (added)
    throw new ReloadRefused(
      3,
      `a non-reloadable config action '${added.section}' was modified or added. Must restart receptor for these changes to take effect`,
    );
  const [removed] = difference(now, items);
  if (removed)
    throw new ReloadRefused(
      3,
      `a non-reloadable config action '${removed.section}' was removed. Must restart receptor for changes to take effect`,
    );
  return items;
}

/** The items that cannot be reloaded and are among the first, but not among the others. */
function difference(items: readonly ConfigItem[], others: readonly ConfigItem[]): ConfigItem[] {
  const left = others.map(itemKey);
  return items.filter((item) => {
    if (RELOADABLE.has(item.section)) return false;
    const at = left.indexOf(itemKey(item));
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
}
