import { readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { type Logger, makeDirectory } from '@receptor/workceptor';
import { configError } from './config/item.js';
import { type FileLock, tryLock } from './file-lock.js';
import { systemErrorText } from './listeners/system-error.js';

/**
 * Sees to it that one daemon at a time looks after the units of a node: two would run the same unit twice. The lock is
 * a file beside the directory, which goes free with its process however that ends. A Go daemon does not ask for it.
 * @param directory of the node's units, which need not be there yet
 * @param log is told where nothing can be locked; that alone keeps no daemon from its work
 * @throws ReceptorError `RECEPTOR_CONFIG_INVALID` when another daemon has it
 */
export async function lockData(
  directory: string,
  log: Pick<Logger, 'warning'>,
): Promise<FileLock | undefined> {
  const path = `${directory}.lock`;
  const unlocked = (why: string) => {
    log.warning(
      `Could not lock the data directory ${directory} (${why}): no other daemon must use it meanwhile`,
    );
    return undefined;
  };
  let lock: Awaited<ReturnType<typeof tryLock>>;
  try {
    makeDirectory(dirname(directory));
    lock = await tryLock(path);
  } catch (error) {
    return unlocked(systemErrorText(error));
  }
  if (lock === 'unsupported') return unlocked('flock(2) cannot be called; is the package koffi installed?');
  if (lock === 'taken')
    throw configError(
      `the data directory ${directory} is in use by another daemon${holder(path)}: ` +
        'stop that one first, or give this one another datadir or another node id',
    );
  writeFileSync(path, `${process.pid}\n`);
  return lock;
}

/** Which process has the lock, if that can be read. */
function holder(path: string): string {
  const pid = readFileSync(path, 'utf8').trim();
  return /^[0-9]+$/.test(pid) ? ` (process ${pid})` : '';
}
