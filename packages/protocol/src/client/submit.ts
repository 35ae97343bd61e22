import { once } from 'node:events';
import type { WorkSubmitCommand } from '../commands.js';
import { ReceptorError } from '../errors.js';
import { errorOfReply } from '../remote-error.js';
import type { SubmitReply } from '../replies.js';
import { aborted } from './lines.js';
import { ControlSession } from './session.js';
import type { Transport } from './transport.js';

/** What a unit gets as its standard input. */
export type Payload = string | Uint8Array | AsyncIterable<string | Uint8Array>;

/** How to submit. */
export interface SubmitOptions {
  signal?: AbortSignal | undefined;
  /** Told how many bytes of the payload were sent so far. */
  onProgress?: ((sentBytes: number) => void) | undefined;
  /** Told the unit's ID as soon as there is one, before the payload is sent. */
  onUnit?: ((unitId: string) => void) | undefined;
}

/** Submits a unit on a connection of its own (reference: control, 7). */
export async function submitWork(
  transport: Transport,
  command: WorkSubmitCommand,
  payload: Payload,
  options: SubmitOptions,
): Promise<SubmitReply> {
  const { signal } = options;
  const session = await ControlSession.open(transport, signal);
  try {
    const { line, lines, stream } = await session.hand(command, signal);
    const unitId = /with ID ([a-zA-Z0-9]+)\./.exec(line)?.[1];
    if (unitId === undefined)
      throw new ReceptorError('RECEPTOR_PROTOCOL', `no unit ID in the reply: ${line.slice(0, 200)}`);
    options.onUnit?.(unitId);
    let sent = 0;
    for await (const piece of pieces(payload)) {
      if (signal?.aborted) throw aborted(signal);
      if (stream.destroyed || !stream.writable) break;
      const bytes = typeof piece === 'string' ? Buffer.from(piece) : piece;
      if (!stream.write(bytes)) await drained(stream, signal);
      sent += bytes.length;
      options.onProgress?.(sent);
    }
    stream.end();
    const reply = await lines.next(signal);
    const error = errorOfReply(reply);
    if (error)
      throw new ReceptorError('RECEPTOR_WORK_START_FAILED', `Remote error: ${reply}`, { cause: error });
    return JSON.parse(reply) as SubmitReply;
  } finally {
    session.close();
  }
}

async function* pieces(payload: Payload): AsyncIterable<string | Uint8Array> {
  if (typeof payload === 'string' || payload instanceof Uint8Array) {
    if (payload.length > 0) yield payload;
  } else yield* payload;
}

/** Waits until more can be written; a connection that ended instead is found out by the next read. */
async function drained(stream: NodeJS.EventEmitter, signal: AbortSignal | undefined): Promise<void> {
  const stop = new AbortController();
  const waiting = { signal: signal ? AbortSignal.any([signal, stop.signal]) : stop.signal };
  try {
    await Promise.race([once(stream, 'drain', waiting), once(stream, 'close', waiting)]);
  } catch (error) {
    if (signal?.aborted) throw aborted(signal);
    throw error;
  } finally {
    stop.abort();
  }
}
