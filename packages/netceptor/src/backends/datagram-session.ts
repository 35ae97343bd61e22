import type { Session, SessionHandlers } from './backend.js';

/** The largest datagram of IPv4. */
const MAX_DATAGRAM = 65_507;

/** What fits into a frame of 1500 bytes, with IPv6; networks cut larger ones in pieces. */
const ETHERNET_DATAGRAM = 1452;

const isLoopback = (address: string): boolean =>
  address.startsWith('127.') || address === '::1' || address.startsWith('::ffff:127.');

/** Hands a datagram to the system, which keeps the buffer until it calls back. */
export type WriteDatagram = (message: Buffer, done: (error: Error | null) => void) => void;

/** A session over datagrams: one a message, which arrives or does not (reference: mesh, 1.2). */
export class DatagramSession implements Session {
  readonly remote: string;
  readonly maxMessage = MAX_DATAGRAM;
  readonly wholeMessage: number;
  backlog = 0;
  readonly #write: WriteDatagram;
  readonly #forget: () => void;
  #handlers: SessionHandlers | undefined;
  #over: { readonly error?: Error } | undefined;

  /**
   * @param address of the other end, without the port
   * @param forget is called when the session is over, so that its address can begin another one
   */
  constructor(remote: string, address: string, write: WriteDatagram, forget: () => void) {
    this.remote = remote;
    this.wholeMessage = isLoopback(address) ? MAX_DATAGRAM : ETHERNET_DATAGRAM;
    this.#write = write;
    this.#forget = forget;
  }

  open(handlers: SessionHandlers): void {
    this.#handlers = handlers;
    if (this.#over) handlers.ended(this.#over.error);
  }

  /** A datagram came in. One that comes before the session is open is lost, as datagrams may be. */
  deliver(message: Buffer): void {
    if (!this.#over) this.#handlers?.message(message);
  }

  send(message: Buffer): void {
    if (this.#over) return;
    const { length } = message;
    this.backlog += length;
    this.#write(message, () => {
      this.backlog -= length;
      if (this.backlog === 0 && !this.#over) this.#handlers?.drained();
    });
  }

  close(): void {
    this.end();
  }

  end(error?: Error): void {
    if (this.#over) return;
    this.#over = error ? { error } : {};
    this.#forget();
    queueMicrotask(() => this.#handlers?.ended(error));
  }
}
