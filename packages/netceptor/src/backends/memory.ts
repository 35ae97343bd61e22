import type { Clock } from '../clock.js';
import { MeshError } from '../errors.js';
import { MAX_MESSAGE } from '../wire/message.js';
import type {
  BackendContext,
  DiallingBackend,
  ListeningBackend,
  Session,
  SessionHandlers,
} from './backend.js';
import { onAbort } from './failure.js';

/** What becomes of a message on its way; a simulation decides it. */
export interface Passage {
  /** Milliseconds on the way; messages with a shorter way overtake. */
  readonly delay: number;
  /** It never arrives. */
  readonly lost: boolean;
}

/** Decides what becomes of a message from one end to the other. */
export type Conditions = (from: string, to: string, message: Buffer) => Passage;

const PERFECT: Passage = { delay: 0, lost: false };

/** A network within the process: listeners by address, and conditions for what is between them. */
export class MemoryNetwork {
  readonly #listeners = new Map<string, (session: Session) => void>();
  readonly #sessions = new Map<string, Set<MemorySession>>();
  /** What becomes of each message; all arrive at once when left as it is. */
  conditions: Conditions = () => PERFECT;

  /** A backend that is reached at `address`. */
  listener(address: string): ListeningBackend {
    return {
      kind: 'listener',
      listen: (accept, { signal }) => {
        if (this.#listeners.has(address))
          return Promise.reject(new MeshError('RECEPTOR_MESH_BACKEND', `address already in use: ${address}`));
        this.#listeners.set(address, accept);
        onAbort(signal, () => this.#listeners.delete(address));
        return Promise.resolve(address);
      },
    };
  }

  /** A backend that connects from `own` to the listener at `address`. */
  dialler(own: string, address: string, { redial = true } = {}): DiallingBackend {
    return {
      kind: 'dialler',
      address,
      redial,
      connect: ({ clock, signal }: BackendContext) => {
        const accept = this.#listeners.get(address);
        if (!accept || signal.aborted)
          return Promise.reject(new MeshError('RECEPTOR_MESH_BACKEND', `connection refused: ${address}`));
        const near = new MemorySession(this, own, address, clock);
        const far = new MemorySession(this, address, own, clock);
        near.other = far;
        far.other = near;
        this.#remember(pairName(own, address), near, far);
        accept(far);
        return Promise.resolve(near);
      },
    };
  }

  /** Ends all sessions between two addresses, as when a cable is pulled that both sides notice. */
  disconnect(a: string, b: string): void {
    for (const session of this.#sessions.get(pairName(a, b)) ?? [])
      session.end(new Error('connection reset'));
  }

  #remember(pair: string, ...ends: MemorySession[]): void {
    const sessions = this.#sessions.get(pair) ?? new Set();
    this.#sessions.set(pair, sessions);
    for (const session of ends) {
      sessions.add(session);
      session.forget = () => {
        sessions.delete(session);
        if (sessions.size === 0) this.#sessions.delete(pair);
      };
    }
  }
}

function pairName(a: string, b: string): string {
  return JSON.stringify([a, b].sort());
}

class MemorySession implements Session {
  readonly maxMessage = MAX_MESSAGE;
  readonly backlog = 0;
  readonly remote: string;
  other: MemorySession | undefined;
  forget: () => void = () => {};
  readonly #network: MemoryNetwork;
  readonly #own: string;
  readonly #clock: Clock;
  #handlers: SessionHandlers | undefined;
  #early: Buffer[] = [];
  /** What was sent last and arrives at one time. */
  #train: { readonly due: number; readonly messages: Buffer[] } | undefined;
  #over = false;
  #closing = false;

  constructor(network: MemoryNetwork, own: string, remote: string, clock: Clock) {
    this.#network = network;
    this.#own = own;
    this.remote = remote;
    this.#clock = clock;
  }

  open(handlers: SessionHandlers): void {
    this.#handlers = handlers;
    for (const message of this.#early.splice(0)) handlers.message(message);
  }

  send(message: Buffer): void {
    if (this.#over || this.#closing) return;
    const { delay, lost } = this.#network.conditions(this.#own, this.remote, message);
    if (lost) return;
    // The receiver may change what it forwards.
    const copy = message[0] === 0 ? Buffer.from(message) : message;
    const due = this.#clock.now() + delay;
    if (this.#train?.due === due) {
      this.#train.messages.push(copy);
      return;
    }
    const train = { due, messages: [copy] };
    this.#train = train;
    this.#clock.schedule(delay, () => {
      if (this.#train === train) this.#train = undefined;
      this.other?.deliver(train.messages);
    });
  }

  deliver(messages: readonly Buffer[]): void {
    for (const message of messages) {
      if (this.#over) return;
      if (this.#handlers) this.#handlers.message(message);
      else this.#early.push(message);
    }
  }

  close(): void {
    this.#closing = true;
    // What was sent before has to arrive before the end.
    this.#clock.schedule(0, () => {
      const { delay } = this.#network.conditions(this.#own, this.remote, Buffer.alloc(0));
      this.#clock.schedule(delay, () => this.other?.end());
      this.end();
    });
  }

  end(error?: Error): void {
    if (this.#over) return;
    this.#over = true;
    this.forget();
    this.#clock.schedule(0, () => this.#handlers?.ended(error));
  }
}
