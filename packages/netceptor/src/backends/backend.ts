import type { Clock } from '../clock.js';
import type { Logger } from '../logger.js';

/** What a session tells the link above it. */
export interface SessionHandlers {
  /** A whole message; the buffer is the receiver's, until it returns to the event loop and beyond. */
  message(message: Buffer): void;
  /** All that was sent has left this process, after some of it had to wait. */
  drained(): void;
  /** The session is over, once and for all; with the error that ended it, if one did. */
  ended(error?: Error): void;
}

/** A connection to a neighbour that carries whole messages, in order or not, all of them or not (reference: mesh, 1). */
export interface Session {
  /** Where the other end is, for people. */
  readonly remote: string;
  /** The largest message that it carries. */
  readonly maxMessage: number;
  /** The largest message that is sure not to travel in pieces, all of which are lost with one; {@link maxMessage} when left out. */
  readonly wholeMessage?: number;
  /** Bytes that were given to {@link send} and have not left this process yet. */
  readonly backlog: number;
  /** Starts the delivery of messages; called once. */
  open(handlers: SessionHandlers): void;
  /** Sends a message of 1 to {@link maxMessage} bytes. The buffer must not be changed afterwards: it may have to wait. */
  send(message: Buffer): void;
  /** Lets what was sent go out, for a second at most, and ends the session. `ended` is still called. */
  close(): void;
}

/** What a backend is given to work with. */
export interface BackendContext {
  readonly clock: Clock;
  readonly log: Logger;
  /** Aborted when the backend has to end: no session, listener or timer is left then. */
  readonly signal: AbortSignal;
}

/**
 * A way to have neighbours: a listener calls `accept` for every session that comes in; a dialler has one session at a time,
 * and `connect` opens the next one. A program can bring its own.
 */
export type Backend = ListeningBackend | DiallingBackend;

/** A backend that others connect to. */
export interface ListeningBackend {
  readonly kind: 'listener';
  /** Resolves when it listens, with the address for people. @throws MeshError `RECEPTOR_MESH_BACKEND` */
  listen(accept: (session: Session) => void, context: BackendContext): Promise<string>;
}

/** A backend that connects to another node. */
export interface DiallingBackend {
  readonly kind: 'dialler';
  /** The address, for people. */
  readonly address: string;
  /** Whether to connect again after a failure or an end; true when left out. */
  readonly redial?: boolean;
  /** @throws MeshError `RECEPTOR_MESH_BACKEND` when it cannot connect */
  connect(context: BackendContext): Promise<Session>;
}
