const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file or directory',
  EACCES: 'permission denied',
  EISDIR: 'is a directory',
  ENOTDIR: 'not a directory',
  ELOOP: 'too many levels of symbolic links',
  ENAMETOOLONG: 'file name too long',
};

/** Why a file could not be read, in the words of Go: `open foo.yml: no such file or directory`. */
export function describeFileError(path: string, error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const call = code === 'EISDIR' ? 'read' : 'open';
  return `${call} ${path}: ${REASONS[code] ?? (error instanceof Error ? error.message : String(error))}`;
}
