import { readFileSync } from 'node:fs';

/** One run of the Python client, as it was captured. */
export interface CapturedRun {
  argv: string[];
  stdin: string;
  exit: number;
  stdout: string;
  stderr: string;
  env?: Record<string, string> | null;
  /** What went over each connection, in order. */
  connections?: Array<Array<{ from: 'client' | 'server'; text?: string; eof?: boolean }>>;
}

/** The runs of a file in test/vectors. */
export function capturedRuns(name: string): CapturedRun[] {
  const file = JSON.parse(readFileSync(new URL(`vectors/${name}.json`, import.meta.url), 'utf8'));
  return file.runs;
}
