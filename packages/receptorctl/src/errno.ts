import { getSystemErrorMap } from 'node:util';

/** Words of Python's that differ from Node's by more than the first letter. */
const WORDS: Readonly<Record<string, string>> = { EISDIR: 'Is a directory', EACCES: 'Permission denied' };

/** A file error in Python's notation: `[Errno 2] No such file or directory: 'x'`. */
export function pythonFileError(error: unknown, path: string): string {
  if (!(error instanceof Error)) return String(error);
  const { errno, code } = error as NodeJS.ErrnoException;
  if (errno === undefined) return error.message;
  const words = WORDS[code ?? ''] ?? getSystemErrorMap().get(errno)?.[1] ?? error.message;
  return `[Errno ${-errno}] ${words.charAt(0).toUpperCase()}${words.slice(1)}: '${path}'`;
}
