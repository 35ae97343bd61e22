import type { TlsServerProfile } from '@receptor/netceptor';
import { configError } from '../config/item.js';
import type { Settings } from '../config/sections/index.js';
import type { FileLock } from '../file-lock.js';
import type { Listener } from '../listeners/listener.js';
import { listenOnTcp, peerAddress } from '../listeners/tcp.js';
import type { ControlServer } from './server.js';
import { listenOnUnixSocket, lockUnixSocket } from './unix-listener.js';

/** One `control-service` section: the ways in to the control server that it opens. */
export class ControlService {
  readonly #settings: Settings<'control-service'>;
  readonly #server: ControlServer;
  readonly #tls: TlsServerProfile | undefined;
  readonly #lock: FileLock | undefined;
  readonly #listeners: Listener[] = [];

  private constructor(
    settings: Settings<'control-service'>,
    server: ControlServer,
    tls: TlsServerProfile | undefined,
    lock: FileLock | undefined,
  ) {
    this.#settings = settings;
    this.#server = server;
    this.#tls = tls;
    this.#lock = lock;
  }

  /**
   * Takes the lock of the Unix socket, and nothing else yet: a second daemon has to fail before it touches any unit.
   * @param tls for the TCP port
   * @throws ReceptorError `RECEPTOR_CONFIG_INVALID` in the words of the Go daemon
   */
  static async prepare(
    settings: Settings<'control-service'>,
    server: ControlServer,
    tls?: TlsServerProfile,
  ): Promise<ControlService> {
    const { service, filename, tcplisten } = settings;
    if (settings.tls && tcplisten && !tls)
      server.log.warning(
        `Control service ${service} has TLS configured on the Receptor listener but not the TCP listener.`,
      );
    return new ControlService(settings, server, tls, filename ? await lockUnixSocket(filename) : undefined);
  }

  /** Where it listens: the path of the socket, and `host:port`. */
  get addresses(): string[] {
    return this.#listeners.map((listener) => listener.address);
  }

  /** Opens the ways in. @throws ReceptorError `RECEPTOR_CONFIG_INVALID` in the words of the Go daemon */
  async listen(): Promise<void> {
    const { filename, permissions, tcplisten } = this.#settings;
    if (filename) {
      const accept = (socket: Parameters<ControlServer['serve']>[0]) =>
        this.#server.serve(socket, 'unix', '@');
      this.#listeners.push(await listenOnUnixSocket(filename, permissions & 0o777, accept, this.#server.log));
    }
    if (tcplisten) {
      const address = tcplisten.includes(':') ? tcplisten : `0.0.0.0:${tcplisten}`;
      const listener = listenOnTcp(
        address,
        (socket) => this.#server.serve(socket, 'tcp', peerAddress(socket)),
        this.#server.log,
        this.#tls?.listenerOptions(),
      );
      this.#listeners.push(
        await listener.catch((error: Error) => {
          throw configError(`error listening on TCP socket: ${error.message}`, error);
        }),
      );
    }
  }

  /** Accepts no more clients and removes the socket; resolves when those that are there are gone. */
  async close(): Promise<void> {
    await Promise.all(this.#listeners.map((listener) => listener.close()));
  }

  /** Lets another daemon have the socket's path; after everything else has ended. */
  release(): void {
    this.#lock?.release();
  }
}
