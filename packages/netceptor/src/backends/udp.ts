import { createSocket, type RemoteInfo } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { isIPv6 } from 'node:net';
import { formatHostPort, type HostPort, parseHostPort, plainAddress } from './address.js';
import type { BackendContext, DiallingBackend, ListeningBackend, Session } from './backend.js';
import { DatagramSession } from './datagram-session.js';
import { backendError, onAbort, stopped } from './failure.js';

/** Sessions of one listener at the same time; anybody can begin one with a single datagram. */
const MAX_SESSIONS = 10_000;
/** Room for datagrams that come in while the process is busy; the system may grant less. */
const BUFFER_SIZE = 4 * 1024 * 1024;

/** The settings of a {@link UdpListener}. */
export interface UdpListenerOptions {
  /** 0 for any free port. */
  readonly port: number;
  /** The address to bind to, `0.0.0.0` when left out; empty for every address of IPv4 and IPv6. */
  readonly host?: string;
  /** Sessions at the same time, beyond which what comes from other addresses is ignored; 10000 when left out. */
  readonly maxSessions?: number;
}

/** Accepts sessions over UDP: one for every address that sends (reference: mesh, 1.2). */
export class UdpListener implements ListeningBackend {
  readonly kind = 'listener';
  readonly #options: UdpListenerOptions;

  constructor(options: UdpListenerOptions) {
    this.#options = options;
  }

  async listen(accept: (session: Session) => void, { log, signal }: BackendContext): Promise<string> {
    const { port, host = '0.0.0.0', maxSessions = MAX_SESSIONS } = this.#options;
    const both = host === '' && (await hasIPv6());
    const socket = createSocket({ type: both || isIPv6(host) ? 'udp6' : 'udp4' });
    const sessions = new Map<string, DatagramSession>();
    const begin = (key: string, { address, port: from }: RemoteInfo): DatagramSession => {
      const session: DatagramSession = new DatagramSession(
        key,
        address,
        (message, done) => socket.send(message, from, address, done),
        () => {
          if (sessions.get(key) === session) sessions.delete(key);
        },
      );
      sessions.set(key, session);
      accept(session);
      return session;
    };
    socket.on('message', (message, remote) => {
      const key = formatHostPort(plainAddress(remote.address), remote.port);
      const known = sessions.get(key);
      if (!known && sessions.size >= maxSessions) return;
      (known ?? begin(key, remote)).deliver(message);
    });
    return new Promise((resolve, reject) => {
      const failed = (error: Error) => reject(backendError(error));
      socket.once('error', failed);
      socket.bind({ port, ...(host !== '' && { address: host }) }, () => {
        socket.off('error', failed);
        socket.on('error', (error) => log.error(`Backend receiving error ${error.message}`));
        enlargeBuffers(socket);
        const bound = socket.address();
        resolve(formatHostPort(bound.address, bound.port));
      });
      onAbort(signal, () => {
        reject(stopped());
        for (const session of [...sessions.values()]) session.close();
        socket.close();
      });
    });
  }
}

/** The settings of a {@link UdpDialler}. */
export interface UdpDiallerOptions {
  /** `host:port`. */
  readonly address: string;
  /** Whether to connect again after an end; true when left out. */
  readonly redial?: boolean;
}

/** Connects over UDP (reference: mesh, 1.2). There is no telling whether anybody listens until an answer comes. */
export class UdpDialler implements DiallingBackend {
  readonly kind = 'dialler';
  readonly address: string;
  readonly redial: boolean;
  readonly #target: HostPort;

  /** @throws MeshError `RECEPTOR_MESH_OPTIONS` when the address has no port */
  constructor({ address, redial = true }: UdpDiallerOptions) {
    this.address = address;
    this.redial = redial;
    this.#target = parseHostPort(address);
  }

  async connect({ signal }: BackendContext): Promise<Session> {
    // As with Go, IPv4 goes first: of a datagram that nobody takes nothing is heard, so there is no trying the other.
    const { address, family } = await lookup(this.#target.host, { order: 'ipv4first' }).catch(
      (error: unknown) => {
        throw backendError(error);
      },
    );
    if (signal.aborted) throw stopped();
    const socket = createSocket({ type: family === 6 ? 'udp6' : 'udp4' });
    return new Promise((resolve, reject) => {
      const session = new DatagramSession(
        this.address,
        address,
        (message, done) => socket.send(message, done),
        () => {
          offAbort();
          // What was sent last is with the system only after this turn.
          setImmediate(() => socket.close());
        },
      );
      const offAbort = onAbort(signal, () => session.close());
      socket.on('message', (message) => session.deliver(message));
      socket.on('error', (error) => {
        reject(backendError(error));
        session.end(backendError(error));
      });
      socket.connect(this.#target.port, address, () => {
        enlargeBuffers(socket);
        resolve(session);
      });
    });
  }
}

/** Whether a socket can be bound to the addresses of IPv6; some hosts have been told to do without. */
function hasIPv6(): Promise<boolean> {
  const socket = createSocket('udp6');
  return new Promise((resolve) => {
    socket.once('error', () => {
      resolve(false);
      socket.close();
    });
    socket.bind(0, () => socket.close(() => resolve(true)));
  });
}

function enlargeBuffers(socket: ReturnType<typeof createSocket>): void {
  try {
    socket.setRecvBufferSize(BUFFER_SIZE);
    socket.setSendBufferSize(BUFFER_SIZE);
  } catch {
    // The size that the system gives has to do.
  }
}
