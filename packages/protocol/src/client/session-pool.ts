import type { Duplex } from 'node:stream';
import type { Address } from '../address.js';
import { ReceptorError } from '../errors.js';
import { connectError } from './connect-error.js';
import { aborted } from './io.js';
import { ControlSession } from './session.js';
import { openTransport, type TlsOptions } from './transport.js';

/** Makes a connection to a control service, over whatever carries bytes. */
export type OpenConnection = (signal?: AbortSignal) => Promise<Duplex>;

/** Makes a connection on which the greeting was read. */
type StartSession = (signal: AbortSignal) => Promise<ControlSession>;

/** What starts sessions with the control service at an address. */
export function dialler(address: Address, options: TlsOptions & { maxReply?: number }): StartSession {
  return async (signal) => {
    const socket = await openTransport(address, options, signal);
    try {
      return await ControlSession.start(socket, { ...options, signal });
    } catch (error) {
      // A server that refuses a client's certificate says so only after the handshake.
      const refused = error instanceof ReceptorError && error.code === 'RECEPTOR_CONNECTION_LOST';
      throw refused && address.kind === 'tls' ? connectError(address, error.cause ?? error) : error;
    }
  };
}

/** What starts sessions over the connections of another. */
export function starter(open: OpenConnection, options: { maxReply?: number }): StartSession {
  return async (signal) => {
    const stream = await open(signal).catch((cause: unknown) => {
      if (cause instanceof ReceptorError) throw cause;
      if (signal.aborted) throw aborted(signal);
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new ReceptorError('RECEPTOR_CONNECT_FAILED', `Could not connect: ${why}`, { cause });
    });
    return ControlSession.start(stream, { ...options, signal });
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

  /** Gives the work a connection, and keeps it for the next if it can be used again. */
  async with<T>(signal: AbortSignal, work: (session: ControlSession) => Promise<T>): Promise<T> {
    const session = this.#takeIdle() ?? (await this.#start(signal));
    try {
      return await work(session);
    } finally {
      if (session.usable) this.#keep(session);
    }
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
