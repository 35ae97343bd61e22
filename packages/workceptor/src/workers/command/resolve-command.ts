import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { ReceptorError } from '@receptor/protocol';
import { errorCode } from '../../error-text.js';

/**
 * Finds the file of a command: a name with a slash is a path, any other is looked up in `searchPath`.
 * @throws ReceptorError `RECEPTOR_WORK_START_FAILED` in Go's words when it is not there or cannot be run.
 */
export async function resolveCommand(command: string, searchPath: string): Promise<string> {
  const fail = (text: string) => new ReceptorError('RECEPTOR_WORK_START_FAILED', text);
  if (command.includes('/')) {
    const problem = await whyNotExecutable(command);
    if (problem) throw fail(`fork/exec ${command}: ${problem}`);
    return command;
  }
  for (const directory of searchPath.split(delimiter)) {
    if (!directory.startsWith('/') || command === '') continue;
    const candidate = join(directory, command);
    if (!(await whyNotExecutable(candidate))) return candidate;
  }
  throw fail(`exec: ${JSON.stringify(command)}: executable file not found in $PATH`);
}

async function whyNotExecutable(path: string): Promise<string | undefined> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile() ? undefined : 'permission denied';
  } catch (error) {
    switch (errorCode(error)) {
      case 'ENOENT':
        return 'no such file or directory';
      case 'ENOTDIR':
        return 'not a directory';
      default:
        return 'permission denied';
    }
  }
}
