import { setTimeout as delay } from 'node:timers/promises';
import { decodeReply, type FollowedStatus, isComplete, ReceptorError } from '@receptor/protocol';
import type { Output } from './output.js';
import { isLoss, type RemoteSession } from './session.js';

const PIECE = 512 * 1024;
/** A node is asked often at first, when most happens, and then as often as a Go node asks. */
const FIRST_MS = 50;
const GROWTH = 1.3;
const LONGEST_MS = 1000;
/** Connections for results are made at least this far apart. */
const APART_MS = 500;
/** How long results may come to nothing, with the unit complete, before they are asked for again. */
const STALLED_MS = 5000;
const QUIET_MS = 3_600_000;

/** What following by questions needs. */
export interface PollContext {
  readonly unitId: string;
  readonly output: Output;
  /** A new session to the same node; ended by the signal. */
  open(signal: AbortSignal): Promise<RemoteSession>;
  /** A token for one command, where the unit is signed for. */
  sign(): Promise<{ signature?: string }>;
  /** Told of each state before the last. */
  onStatus(status: FollowedStatus): void;
}

/**
 * Follows a unit on a Go node, which has to be asked (reference: work, 5.1), to its end. One session asks for the status,
 * another one reads the results, which a Go node sends as they come.
 * @returns the last status, when the whole output is there
 * @throws ReceptorError a loss, or what the node answered
 */
export async function followByPolling(
  session: RemoteSession,
  context: PollContext,
  signal: AbortSignal,
): Promise<FollowedStatus> {
  const { unitId, output, onStatus } = context;
  const end = new AbortController();
  const both = AbortSignal.any([signal, end.signal]);
  const copying = new Copy(context, both);
  try {
    let pause = FIRST_MS;
    let last = '';
    for (;;) {
      const command = { command: 'work', subcommand: 'status', unitId } as const;
      const status = decodeReply(command, await session.request(command));
      const complete = isComplete(status.State);
      if (complete && (await output.size()) >= status.StdoutSize) return status;
      if (!complete) onStatus(status);
      copying.look(complete);
      const now = `${status.State} ${status.Detail} ${status.StdoutSize}`;
      pause = now === last ? Math.min(pause * GROWTH, LONGEST_MS) : FIRST_MS;
      last = now;
      await copying.pause(pause);
      copying.throwIfFailed();
    }
  } finally {
    end.abort(new ReceptorError('RECEPTOR_ABORTED', 'the unit is not followed any more'));
    await copying.ended;
  }
}

/** Copies the results, over one connection after the other. */
class Copy {
  readonly #context: PollContext;
  readonly #signal: AbortSignal;
  #attempt: AbortController | undefined;
  #error: unknown;
  #moved = 0;
  /** Resolves when the connection that is there has ended. */
  ended: Promise<void> = Promise.resolve();

  constructor(context: PollContext, signal: AbortSignal) {
    this.#context = context;
    this.#signal = signal;
  }

  /** Sees to it that there is a connection. @param complete nothing but what is missing is to come */
  look(complete: boolean): void {
    if (this.#signal.aborted) return;
    if (this.#attempt) {
      if (complete && Date.now() - this.#moved > STALLED_MS) this.#attempt.abort();
      return;
    }
    if (Date.now() - this.#moved < APART_MS) return;
    const attempt = new AbortController();
    this.#attempt = attempt;
    this.#moved = Date.now();
    this.ended = this.#copy(AbortSignal.any([this.#signal, attempt.signal]))
      .catch((error: unknown) => {
        if (!attempt.signal.aborted && !this.#signal.aborted && !isLoss(error)) this.#error = error;
      })
      .finally(() => {
        this.#attempt = undefined;
      });
  }

  /** Waits, not so long when the results come to their end meanwhile. */
  async pause(ms: number): Promise<void> {
    const signal = this.#signal;
    const waits = [delay(ms, undefined, { signal })];
    if (this.#attempt)
      waits.push(this.ended.then(() => delay(Math.min(FIRST_MS, ms), undefined, { signal })));
    await Promise.race(waits).catch(() => undefined);
  }

  throwIfFailed(): void {
    this.#signal.throwIfAborted();
    if (this.#error !== undefined) throw this.#error;
  }

  async #copy(signal: AbortSignal): Promise<void> {
    const { unitId, output, open, sign } = this.#context;
    const session = await open(signal);
    try {
      const startPos = await output.size();
      await session.request({ command: 'work', subcommand: 'results', unitId, startPos, ...(await sign()) });
      for (;;) {
        const piece = await session.read(PIECE, QUIET_MS);
        if (piece === undefined) return;
        this.#moved = Date.now();
        await output.append(piece);
      }
    } finally {
      session.close();
    }
  }
}
