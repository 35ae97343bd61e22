import { getSystemErrorMap } from 'node:util';

/** Words of Python's that differ from Node's by more than the first letter. */
const WORDS: Readonly<Record<string, string>> = { EISDIR: 'Is a directory', EACCES: 'Permission denied' };

/** A system error in Python's notation: `[Errno 111] Connection refused`; undefined for any other. */
export function pythonOsError(error: unknown): string | undefined {
  const { errno, code } = (error instanceof Error ? error : {}) as NodeJS.ErrnoException;
  if (errno === undefined) return undefined;
  const words = WORDS[code ?? ''] ?? getSystemErrorMap().get(errno)?.[1] ?? `Unknown error ${-errno}`;
  return `[Errno ${-errno}] ${words.charAt(0).toUpperCase()}${words.slice(1)}`;
}

/** Python's words for a host name that cannot be resolved, which it does not count among the failed connections. */
export function pythonNameError(error: unknown): string | undefined {
  const { code } = (error instanceof Error ? error : {}) as NodeJS.ErrnoException;
  if (code === 'ENOTFOUND') return '[Errno -2] Name or service not known';
  return code === 'EAI_AGAIN' ? '[Errno -3] Temporary failure in name resolution' : undefined;
}

/** A file error in Python's notation: `[Errno 2] No such file or directory: 'x'`. */
export function pythonFileError(error: unknown, path: string): string {
  const words = pythonOsError(error);
  if (words !== undefined) return `${words}: '${path}'`;
  return error instanceof Error ? error.message : String(error);
}
