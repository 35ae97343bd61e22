import type { Server } from 'node:net';
import type { Logger } from '@receptor/workceptor';
import { systemErrorText } from './system-error.js';

/** Something that accepts connections. */
export interface Listener {
  /** Where it listens: `127.0.0.1:2222`, `[::]:2222`, or the path of a socket. */
  readonly address: string;
  /**
   * Accepts no more, and takes away what it made in the file system. Resolves when the connections it accepted are
   * closed too; closing them is for whoever serves them.
   */
  close(): Promise<void>;
}

/** Keeps a server that listens going when a connection cannot be accepted, for want of file descriptors perhaps. */
export function surviveAcceptErrors(server: Server, log: Pick<Logger, 'error'>): void {
  server.on('error', (error) => log.error(`Error accepting connection: ${systemErrorText(error)}`));
}
