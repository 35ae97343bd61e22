import type { KubernetesApi } from '../api.js';
import { type LogCursor, LogReader } from './log-reader.js';
import { normalise } from './normalise.js';
import { PATTERN, showsPlace } from './seek.js';
import type { Window } from './window.js';

/** The end of a log, and the place behind it. */
export interface LogTail {
  readonly content: Buffer;
  readonly cursor: LogCursor;
}

/** So much of the output's end is asked of the log, in bytes: more than an attach that ends short was seen to lose. */
const ASKED = 64 << 10;
/** Entries asked for beside those that end with a line feed: a long line has one for each 16 KiB. */
const MORE_ENTRIES = 64;
/** The end of a log that is not like the output's may be much longer; then it is not read on, in bytes. */
const LIMIT = 4 << 20;

/** How many entries of the log are likely to have what the output ends with. */
export function tailLines(known: Window): number {
  const end = known.slice(known.end - ASKED, known.end);
  let lines = MORE_ENTRIES;
  for (let at = end.indexOf(10); at >= 0; at = end.indexOf(10, at + 1)) lines++;
  return lines;
}

/** Reads the last entries of a log; undefined where they cannot be had, or do not say where in the log they are. */
export async function readTail(
  api: KubernetesApi,
  about: { path: string; container: string; lines: number; signal: AbortSignal },
): Promise<LogTail | undefined> {
  const { container, lines, path, signal } = about;
  const reader = new LogReader();
  const parts: Buffer[] = [];
  let size = 0;
  try {
    const query = { container, timestamps: true, tailLines: lines };
    const response = await api.stream({ path, query, signal });
    reader.begin('fresh');
    for await (const chunk of response as AsyncIterable<Buffer>) {
      parts.push(reader.push(chunk));
      size += chunk.length;
      if (size > LIMIT) return undefined;
    }
    reader.end();
  } catch {
    return undefined; // the log is read in the ordinary way then, and that tells what is wrong
  }
  const { cursor } = reader;
  if (!cursor || reader.foreign.length > 0 || !reader.countIsCertain) return undefined;
  return { content: Buffer.concat(parts), cursor };
}

/** Whether the log ends with what the output ends with, and nothing before that is the same. */
export function endsAlike(known: Window, tail: LogTail): boolean {
  const content = normalise(tail.content);
  return (
    content.length >= PATTERN &&
    known.agrees(known.end - content.length, content) &&
    showsPlace(known, known.end)
  );
}
