import type { Duplex } from 'node:stream';
import type { Address } from '../address.js';
import { ReceptorError } from '../errors.js';
import { connectError } from './connect-error.js';
import { aborted, anySignal, deadline } from './io.js';
import { ControlSession } from './session.js';
import { openTransport, type TlsOptions } from './transport.js';

/** Makes a connection to a control service, over whatever carries bytes. */
export type OpenConnection = (signal?: AbortSignal) => Promise<Duplex>;

/** Makes a connection on which the greeting was read. */
type StartSession = (signal: AbortSignal) => Promise<ControlSession>;

/** How sessions are started. */
interface SessionOptions {
  maxReply?: number;
  /** Milliseconds until the greeting must be there. */
  connectTimeoutMs?: number;
}

const CONNECT_TIMEOUT_MS = 30_000;

/** What starts sessions with the control service at an address. */
export function dialler(address: Address, options: TlsOptions & SessionOptions): StartSession {
  const start: StartSession = async (signal) => {
    const socket = await openTransport(address, options, signal);
    try {
      return await ControlSession.start(socket, { ...options, signal });
    } catch (error) {
      // A server that refuses a client's certificate says so only after the handshake.
      const refused = error instanceof ReceptorError && error.code === 'RECEPTOR_CONNECTION_LOST';
      throw refused && address.kind === 'tls' ? connectError(address, error.cause ?? error) : error;
    }
  };
  return inTime(start, options, (late) => connectError(address, late));
}

/** What starts sessions over the connections of another. */
export function starter(open: OpenConnection, options: SessionOptions): StartSession {
  const start: StartSession = async (signal) => {
    const stream = await open(signal).catch((cause: unknown) => {
      if (cause instanceof ReceptorError) throw cause;
      if (signal.aborted) throw aborted(signal);
      throw notConnected(cause);
    });
    return ControlSession.start(stream, { ...options, signal });
  };
  return inTime(start, options, notConnected);
}

function notConnected(cause: unknown): ReceptorError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new ReceptorError('RECEPTOR_CONNECT_FAILED', `Could not connect: ${why}`, { cause });
}

/** Ends a start that takes too long: a server that says nothing would otherwise be waited for for ever. */
function inTime(
  start: StartSession,
  options: SessionOptions,
  tooLate: (cause: Error) => ReceptorError,
): StartSession {
  const { connectTimeoutMs = CONNECT_TIMEOUT_MS } = options;
  return async (signal) => {
    const overdue = deadline(connectTimeoutMs);
    const ending = anySignal([signal, overdue.signal]);
    try {
      return await start(ending.signal);
    } catch (error) {
      if (signal.aborted || !overdue.signal.aborted) throw error;
      throw tooLate(new Error(`the control service said nothing for ${connectTimeoutMs / 1000} s`));
    } finally {
      ending.release();
      overdue.release();
    }
  };
}

/** The connections of a client: one for each piece of work at a time, one kept for the next. */
export class SessionPool {
  readonly #start: StartSession;
  #idle: { session: ControlSession; unwatch: () => void } | undefined;
  #closed = false;

  constructor(start: StartSession) {
    this.#start = start;
  }

  /**
   * Gives the work a connection, and keeps it for the next if it can be used again.
   * @param repeatable whether the work may be done anew when the server has just closed the connection that was kept.
   */
  async with<T>(
    signal: AbortSignal,
    work: (session: ControlSession) => Promise<T>,
    repeatable = false,
  ): Promise<T> {
    const kept = this.#takeIdle();
    const session = kept ?? (await this.#start(signal));
    try {
      return await work(session);
    } catch (error) {
      const lost = error instanceof ReceptorError && error.code === 'RECEPTOR_CONNECTION_LOST';
      if (!(kept && repeatable && lost)) throw error;
    } finally {
      if (session.usable) this.#keep(session);
    }
    return this.with(signal, work);
  }

  /** Keeps no connection any more. */
  close(): void {
    this.#closed = true;
    this.#takeIdle()?.close();
  }

  #keep(session: ControlSession): void {
    if (this.#idle !== undefined || this.#closed) {
      session.close();
      return;
    }
    const unwatch = session.watchIdle(() => {
      if (this.#idle?.session === session) this.#takeIdle();
      session.close();
    });
    this.#idle = { session, unwatch };
  }

  #takeIdle(): ControlSession | undefined {
    const idle = this.#idle;
    this.#idle = undefined;
    idle?.unwatch();
    return idle?.session.usable ? idle.session : undefined;
  }
}
