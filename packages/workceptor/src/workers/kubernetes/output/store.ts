import { type FileHandle, open, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BEGINNING, type Checkpoint, type Flaws, type MergeStart } from './checkpoint.js';
import { type HeadFacts, UNKNOWN_HEAD } from './log-head.js';
import type { LogCursor } from './log-reader.js';
import { WINDOW } from './merged-output.js';
import { normalise } from './normalise.js';

/** Name of the file with the checkpoint, in the unit's directory. */
const CURSOR_FILE = 'kube-cursor.json';
const CHUNK = 1 << 16;
/** Lines of both channels behind the checkpoint; they are held in memory. */
const LINES_LIMIT = 16 << 20;

/**
 * The output on disk, and the checkpoint that says what of the log is in it. The checkpoint is never ahead of the
 * output; what the output has behind it was written in order, is true, and may have been read by someone already. So
 * it is kept and counted, not cut off, and the log is read over it again.
 */
export class OutputStore {
  /** Bytes taken that are not written yet. */
  pending = 0;
  private queue: Buffer[] = [];
  private writing: Promise<void> | undefined;
  private saving: Promise<void> | undefined;
  private due: Saved | undefined;
  private failure: Error | undefined;

  private constructor(
    private readonly file: FileHandle,
    private readonly cursorPath: string,
    private size: number,
    private readonly onWritten: (size: number) => void,
  ) {}

  /** Opens what there is, and works out what state it is in. */
  static async open(
    stdoutPath: string,
    directory: string,
    onWritten: (size: number) => void,
  ): Promise<{ store: OutputStore; start: MergeStart }> {
    const cursorPath = join(directory, CURSOR_FILE);
    const file = await open(stdoutPath, 'a+', 0o600);
    try {
      const saved = parseSaved(await readFile(cursorPath, 'utf8').catch(() => ''));
      const { size } = await file.stat();
      // A file shorter than its checkpoint has lost its end (power failure): what is left of it is true all the same.
      const start = await restore(file, size, saved && saved.size <= size ? saved : undefined);
      return { store: new OutputStore(file, cursorPath, start.end, onWritten), start: start.merge };
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** Appends. Errors come from {@link flush}; after the first, what comes is thrown away. */
  write(buffers: Buffer[]): void {
    if (this.failure) return;
    for (const bytes of buffers) {
      this.queue.push(bytes);
      this.pending += bytes.length;
    }
    if (this.queue.length > 0) this.writing ??= this.drain();
  }

  /** Resolves when everything taken is written. @throws the first error there was */
  async flush(): Promise<void> {
    while (this.writing !== undefined) await this.writing;
    if (this.failure) throw this.failure;
  }

  /** Saves the checkpoint once what it covers is written; of several that wait, only the last. */
  save(checkpoint: Checkpoint, flaws: Flaws, head: HeadFacts): Promise<void> {
    this.due = { ...checkpoint, ...flaws, head };
    this.saving ??= this.saveAll().finally(() => {
      this.saving = undefined;
    });
    return this.saving;
  }

  async close(): Promise<void> {
    await this.flush().catch(() => {});
    await this.saving?.catch(() => {});
    await this.file.close();
  }

  private async saveAll(): Promise<void> {
    for (let due = this.due; due; due = this.due) {
      this.due = undefined;
      while (this.size < due.size && this.writing !== undefined) await this.writing;
      if (this.failure) return;
      const aside = `${this.cursorPath}.tmp`;
      const text = JSON.stringify({ version: 1, ...due });
      await writeFile(aside, text, { mode: 0o600 });
      await rename(aside, this.cursorPath);
    }
  }

  private async drain(): Promise<void> {
    try {
      while (this.queue.length > 0 && !this.failure) {
        let buffers = this.queue.splice(0, 512);
        while (buffers.length > 0) {
          const { bytesWritten } = await this.file.writev(buffers);
          this.size += bytesWritten;
          this.pending -= bytesWritten;
          buffers = without(buffers, bytesWritten);
        }
        this.onWritten(this.size);
      }
    } catch (error) {
      this.failure = error as Error;
      this.queue = [];
      this.pending = 0;
    } finally {
      this.writing = undefined;
      this.onWritten(this.size);
    }
  }
}

function without(buffers: Buffer[], count: number): Buffer[] {
  let left = count;
  const rest: Buffer[] = [];
  for (const bytes of buffers) {
    if (left >= bytes.length) left -= bytes.length;
    else {
      rest.push(bytes.subarray(left));
      left = 0;
    }
  }
  return rest;
}

type Saved = Checkpoint & Flaws & { head?: HeadFacts };

function parseSaved(text: string): Saved | undefined {
  try {
    const saved = JSON.parse(text) as Saved & { version: number };
    const numbers = [saved.size, saved.written, saved.logAt];
    if (saved.version !== 1 || !numbers.every(Number.isSafeInteger) || !Array.isArray(saved.gaps))
      return undefined;
    const cursor: LogCursor | undefined = saved.cursor;
    if (cursor && !(Number.isSafeInteger(cursor.count) && Number.isSafeInteger(cursor.taken)))
      return undefined;
    // What an older version did not write is empty.
    return { ...saved, uncertain: saved.uncertain ?? [], returns: saved.returns ?? false };
  } catch {
    return undefined;
  }
}

/** Counts what stands behind the checkpoint, and reads the output's end. */
async function restore(
  file: FileHandle,
  size: number,
  found: Saved | undefined,
): Promise<{ merge: MergeStart; end: number }> {
  const saved = found ?? { ...BEGINNING, gaps: [], uncertain: [], returns: false };
  const { gaps, uncertain, returns } = saved;
  let end = size;
  const last = Buffer.alloc(1);
  // What a kill cut off in the middle: a line of one of two channels, or carriage returns whose line feed is to come.
  while (end > saved.size && (await file.read(last, 0, 1, end - 1)).bytesRead === 1) {
    if (saved.mixed ? last[0] === 10 : last[0] !== 13) break;
    end--;
  }
  if (end < size) await file.truncate(end);
  let written = saved.written;
  let lines = Buffer.alloc(0);
  if (saved.mixed) {
    if (end - saved.size > LINES_LIMIT) throw new Error('the output has grown too far from its checkpoint');
    lines = Buffer.alloc(end - saved.size);
    await file.read(lines, 0, lines.length, saved.size);
  } else {
    let left = 0;
    for await (const chunk of chunks(file, saved.size, end)) {
      const norm = normalise(chunk);
      left += chunk.length - norm.length;
    }
    written += end - saved.size - left;
  }
  const from = Math.max(0, end - WINDOW);
  const tail = Buffer.alloc(end - from);
  await file.read(tail, 0, tail.length, from);
  // Of a log that an older version has begun to read nothing can be said; one that was not read is opened anew.
  const begun = found?.head ?? { ...UNKNOWN_HEAD, whole: saved.cursor !== undefined };
  const head = begun.first === undefined && !begun.whole ? UNKNOWN_HEAD : begun;
  const merge = { saved, size: end, written, tail: normalise(tail), lines, gaps, uncertain, returns, head };
  return { merge, end };
}

/** The bytes of a file, in chunks that do not end with a carriage return. */
async function* chunks(file: FileHandle, from: number, to: number): AsyncGenerator<Buffer> {
  for (let at = from; at < to; ) {
    const chunk = Buffer.alloc(Math.min(CHUNK, to - at));
    const { bytesRead } = await file.read(chunk, 0, chunk.length, at);
    if (bytesRead === 0) return;
    let end = bytesRead;
    while (end > 1 && chunk[end - 1] === 13 && at + end < to) end--;
    yield chunk.subarray(0, end);
    at += end;
  }
}
