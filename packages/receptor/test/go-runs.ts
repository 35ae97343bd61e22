import { readFileSync } from 'node:fs';

/** A run of the Go daemon. */
export interface GoRun {
  readonly args: readonly string[];
  readonly files: Readonly<Record<string, string>> | null;
  readonly exit: number | 'still running';
  readonly stdout: string;
}

/** What the Go daemon did with command lines and configuration files of the list form. */
export const runs: readonly GoRun[] = (
  JSON.parse(readFileSync(new URL('vectors/config-runs.json', import.meta.url), 'utf8')) as { runs: GoRun[] }
).runs;
