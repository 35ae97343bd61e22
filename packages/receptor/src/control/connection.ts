import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { ReceptorError } from '@receptor/protocol';
import type { Logger, Origin } from '@receptor/workceptor';

const NOTHING = Buffer.alloc(0);

/** The connection of one client, and its end: whether the client is there, has ended its input, or is gone. */
export class Connection {
  readonly stream: Duplex;
  readonly origin: Origin;
  readonly remoteAddress: string;
  readonly #log: Pick<Logger, 'debug'>;
  readonly #abort = new AbortController();
  #inputEnded = false;
  #finishing = false;
  #lingerTimer: NodeJS.Timeout | undefined;

  /**
   * @param stream a socket must stay open when its peer closes one side (`allowHalfOpen`)
   * @param remoteAddress for the log
   */
  constructor(stream: Duplex, origin: Origin, remoteAddress: string, log: Pick<Logger, 'debug'>) {
    this.stream = stream;
    this.origin = origin;
    this.remoteAddress = remoteAddress;
    this.#log = log;
  }

  /** Aborted when the client is gone or the service ends. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Whether the client has closed its sending side. */
  get inputEnded(): boolean {
    return this.#inputEnded;
  }

  /** Whether there is anybody to answer, and answering is not over. */
  get open(): boolean {
    return !this.#finishing && !this.stream.destroyed;
  }

  /** Hands on what the client sends, from now on. `closed` is called once, at the end of all. */
  listen(received: (chunk: Buffer) => void, ended: () => void, closed: () => void): void {
    this.stream.on('error', (error) => this.#lost(error));
    this.stream.once('close', () => {
      clearTimeout(this.#lingerTimer);
      closed();
      this.#abort.abort(clientVanished());
    });
    this.stream.on('data', received);
    this.stream.once('end', () => {
      this.#inputEnded = true;
      ended();
    });
  }

  /** Resolves when more may be written. @throws ReceptorError `RECEPTOR_CONNECTION_LOST` when the client is gone */
  write(data: string | Buffer): Promise<void> {
    if (!this.open) return Promise.reject(clientVanished());
    return this.stream.write(data) ? Promise.resolve() : this.drained();
  }

  /** Resolves when what was written is out. @throws ReceptorError `RECEPTOR_CONNECTION_LOST` when the client is gone */
  drained(): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = () => {
        this.stream.off('drain', settle);
        this.stream.off('close', settle);
        if (this.stream.destroyed) reject(clientVanished());
        else resolve();
      };
      this.stream.on('drain', settle);
      this.stream.on('close', settle);
    });
  }

  /**
   * Tells a client that has closed its sending side from one that is gone: writing no bytes fails on a Unix socket whose
   * peer is closed altogether. On TCP a client that is gone is known by its reset only; a FIN is a FIN.
   */
  probe(present: () => void): void {
    if (this.stream.destroyed) return;
    if (!this.stream.writable) {
      present();
      return;
    }
    this.stream.write(NOTHING, (error) => {
      if (error) this.#lost(error);
      else present();
    });
  }

  /**
   * Closes our side when all is written, then the connection. Where the client may still be sending it is listened to for
   * a while, because bytes that arrive at a closed socket would destroy what it has yet to read.
   */
  finish(lingerMs: number): void {
    if (this.#finishing) return;
    this.#finishing = true;
    this.stream.end(() => {
      if (lingerMs === 0 || this.#inputEnded) this.stream.destroy();
      else if (!this.stream.destroyed) this.#lingerTimer = setTimeout(() => this.stream.destroy(), lingerMs);
    });
  }

  /** Ends it so that the client can tell, as far as the transport has a way to say so, that this is no proper end. */
  breakOff(): void {
    // A reset tells a TCP client, but TLS that the end was not announced; a Unix socket has no such thing.
    if (this.origin === 'tcp' && this.stream instanceof Socket && !('encrypted' in this.stream))
      this.stream.resetAndDestroy();
    else this.stream.destroy();
  }

  /** Ends it at once, because the service ends. */
  close(): void {
    this.#abort.abort(new ReceptorError('RECEPTOR_ABORTED', 'the control service ended'));
    this.stream.destroy();
  }

  #lost(error: Error): void {
    if (this.#abort.signal.aborted) return;
    this.#log.debug(`Control service lost its client ${this.remoteAddress}: ${error.message}`);
    this.#abort.abort(clientVanished());
    this.stream.destroy();
  }
}

function clientVanished(): ReceptorError {
  return new ReceptorError('RECEPTOR_CONNECTION_LOST', 'the client vanished before the end of its input');
}
