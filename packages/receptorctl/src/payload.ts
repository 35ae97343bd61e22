import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { type Readable, Transform } from 'node:stream';
import { pythonFileError } from './errno.js';
import { Failure } from './failure.js';
import type { Output } from './output.js';
import { Progress } from './progress.js';

/** The options that say what a unit is given to read. Empty texts count as absent. */
export interface PayloadChoice {
  readonly payload: string | undefined;
  readonly payloadLiteral: string | undefined;
  readonly noPayload: boolean;
}

/** Large enough that reading a file costs little beside sending it. */
const CHUNK = 256 * 1024;

/**
 * Checks that exactly one payload is chosen.
 * @throws Failure when none or several are
 */
export function checkPayloadChoice({ payload, payloadLiteral, noPayload }: PayloadChoice): void {
  const chosen = [payload, payloadLiteral, noPayload].filter(Boolean).length;
  if (chosen < 1) throw new Failure(1, 'Must provide one of --payload, --no-payload or --payload-literal.');
  if (chosen > 1) {
    throw new Failure(1, 'Cannot provide more than one of --payload, --no-payload and --payload-literal.');
  }
}

/**
 * Opens the chosen payload. While a stream goes up to a daemon, a terminal on stderr shows how far it is.
 * @returns bytes, or a stream that the caller reads or destroys
 * @throws Failure when the file cannot be read
 */
export async function openPayload(choice: PayloadChoice, output: Output): Promise<Buffer | Readable> {
  const { payload, payloadLiteral } = choice;
  if (payloadLiteral) return Buffer.from(`${payloadLiteral}\n`);
  if (!payload) return Buffer.alloc(0);
  if (payload === '-') return shown(output.streams.stdin, output, undefined);
  try {
    return shown(await openFile(payload), output, await sizeOf(payload));
  } catch (cause) {
    throw new Failure(1, `Failed to load payload file: ${pythonFileError(cause, payload)}`, { cause });
  }
}

/** Opens a file at once, so that one that cannot be read is reported before there is a unit. */
async function openFile(path: string): Promise<Readable> {
  const stream = createReadStream(path, { highWaterMark: CHUNK });
  await new Promise((resolve, reject) =>
    stream.once('ready', () => resolve(undefined)).once('error', reject),
  );
  return stream;
}

/** Bytes to expect; a pipe has no size, and a directory no bytes at all. */
async function sizeOf(path: string): Promise<number | undefined> {
  const stats = await stat(path);
  if (stats.isDirectory()) throw Object.assign(new Error('directory'), { code: 'EISDIR', errno: -21 });
  return stats.isFile() ? stats.size : undefined;
}

function shown(source: Readable, { streams: { stderr } }: Output, total: number | undefined): Readable {
  if (!stderr.isTTY) return source;
  const progress = new Progress(stderr, total);
  const counter = new Transform({
    highWaterMark: CHUNK,
    transform(chunk: Buffer, _encoding, done) {
      progress.add(chunk.length);
      done(null, chunk);
    },
    destroy(error, done) {
      progress.clear();
      source.destroy();
      done(error);
    },
  });
  source.once('error', (error) => counter.destroy(error));
  return source.pipe(counter);
}
