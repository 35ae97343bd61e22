import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { ReceptorError } from '@receptor/protocol';
import { errorCode } from '../../error-text.js';

/**
 * Finds the file of a command: a name with a slash is a path, any other is looked up in `searchPath`.
 * @throws ReceptorError `RECEPTOR_WORK_START_FAILED` in Go's words when it is not there or cannot be run.
 */
export function resolveCommand(command: string, searchPath: string): string {
  const fail = (text: string) => new ReceptorError('RECEPTOR_WORK_START_FAILED', text);
  if (command.includes('/')) {
    const problem = whyNotExecutable(command);
    if (problem) throw fail(`fork/exec ${command}: ${problem}`);
    return command;
  }
  for (const directory of searchPath.split(delimiter)) {
    if (!directory.startsWith('/') || command === '') continue;
    const candidate = join(directory, command);
    if (!whyNotExecutable(candidate)) return candidate;
  }
  throw fail(`exec: ${JSON.stringify(command)}: executable file not found in $PATH`);
}

function whyNotExecutable(path: string): string | undefined {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile() ? undefined : 'permission denied';
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
