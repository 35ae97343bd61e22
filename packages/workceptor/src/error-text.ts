/**
 * The message of whatever was thrown. Node's file errors are put as Go puts them
 * (`write /dir/stdin: no space left on device`), which is what people and scripts look for.
 */
export function errorText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code, syscall, path } = error as NodeJS.ErrnoException;
  if (code === undefined || syscall === undefined) return error.message;
  const reason = /^[A-Z][A-Z0-9]*: (.*?), /.exec(error.message)?.[1] ?? error.message;
  return path === undefined ? `${syscall}: ${reason}` : `${syscall} ${path}: ${reason}`;
}

/** Node's code of a failed system call, such as `ENOENT`; undefined for any other error. */
export function errorCode(error: unknown): string | undefined {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  return typeof code === 'string' ? code : undefined;
}
