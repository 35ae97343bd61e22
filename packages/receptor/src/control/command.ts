import type { Readable, Writable } from 'node:stream';
import type { CommandLine } from '@receptor/protocol';
import type { Origin } from '@receptor/workceptor';

/** What a command answers: whole lines with their newlines; undefined where nothing is left to say. */
export type Reply = Promise<string | undefined> | string | undefined;

/** The client that gave a command, as the command sees it. */
export interface CommandContext {
  /** How the client reached the daemon; decides what it is trusted with. */
  readonly origin: Origin;
  /** For the log. */
  readonly remoteAddress: string;
  /** Aborted when the client is gone or the service ends. */
  readonly signal: AbortSignal;
  /** Takes what is written ahead of the reply; not to be ended. */
  readonly output: Writable;
  /**
   * Writes ahead of the reply; resolves when more may be written.
   * @throws ReceptorError `RECEPTOR_CONNECTION_LOST` when the client is gone
   */
  write(data: string | Buffer): Promise<void>;
  /**
   * Everything the client sends after the command line, up to its end. The command becomes the session's last. Fails
   * with `RECEPTOR_CONNECTION_LOST` when the client vanishes instead of closing its sending side.
   */
  payload(): Readable;
  /** Drops what the client sends from here on. The command becomes the session's last. */
  discardInput(): void;
  /**
   * Cuts the connection, for want of another way to tell the client that what it was sent is not all there is.
   * @param error goes to the log
   */
  breakOff(error: unknown): void;
}

/**
 * A command of the control service. An error it throws is the reply `ERROR: <message>`, and is logged: no secret
 * belongs into it.
 */
export type ControlCommand = (line: CommandLine, context: CommandContext) => Reply;
