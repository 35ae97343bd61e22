import type { Session } from '../backends/backend.js';
import type { CancelTimer, Clock } from '../clock.js';
import { MeshError } from '../errors.js';
import type { Logger } from '../logger.js';
import type { Way } from '../packet/packet-layer.js';
import { DATA_HEADER } from '../wire/data.js';
import { MessageType, REJECT_MESSAGE } from '../wire/message.js';
import { decodeRoutingUpdate, peekRoutingUpdate, type RoutingUpdate } from '../wire/routing-update.js';
import { countBytes } from '../young-buffers.js';
import {
  INITIAL_STATE,
  INTRODUCTION_INTERVAL,
  type LinkEnd,
  type LinkEvent,
  type LinkRules,
  type LinkState,
  nextLinkStep,
  type Occupancy,
} from './state.js';

/** Data messages beyond this backlog are dropped: their senders are made for loss, and other links must not wait. */
const DATA_BACKLOG = 4 * 1024 * 1024;
/** A peer that leaves this much unread is not there any more. */
const CONTROL_BACKLOG = 16 * 1024 * 1024;

/** Messages of a peer that mean nothing, of which the log tells. */
const MAX_COMPLAINTS = 20;

/** What a link needs of the node it belongs to. */
export interface LinkOwner {
  /** The update that introduces the node. */
  introduction(): Buffer;
  /** Whether another link goes to that peer. */
  occupancy(peer: string, link: Link): Occupancy;
  /** Whether an update was received before, over any link. */
  isRepeated(nodeId: string, updateId: string): boolean;
  established(link: Link, peer: string, cost: number): void;
  update(link: Link, update: RoutingUpdate): void;
  advertisement(link: Link, message: Buffer): void;
  data(link: Link, message: Buffer): void;
  /** What waited on a link has been sent. */
  drained(): void;
}

/** The settings of a {@link Link}. */
export interface LinkOptions {
  readonly session: Session;
  readonly rules: LinkRules;
  readonly owner: LinkOwner;
  /** The link is over; called once. */
  readonly ended: (end: LinkEnd) => void;
  readonly clock: Clock;
  readonly log: Logger;
}

/** A session with a neighbour: runs the state machine on real messages. Nothing a peer sends throws past it. */
export class Link implements Way {
  readonly #session: Session;
  readonly #rules: LinkRules;
  readonly #owner: LinkOwner;
  readonly #ended: (end: LinkEnd) => void;
  readonly #clock: Clock;
  readonly #log: Logger;
  #state: LinkState = INITIAL_STATE;
  #cancelIntroduction: CancelTimer | undefined;
  #complaints = 0;
  /** When the last message came in; any message counts. */
  lastReceived: number;
  /** Data messages that were dropped because the peer reads too slowly. */
  dropped = 0;

  constructor({ session, rules, owner, ended, clock, log }: LinkOptions) {
    this.#session = session;
    this.#rules = rules;
    this.#owner = owner;
    this.#ended = ended;
    this.#clock = clock;
    this.#log = log;
    this.lastReceived = clock.now();
  }

  get remote(): string {
    return this.#session.remote;
  }

  /** The node at the other end, once it is known. */
  peer: string | undefined;

  get maxPayload(): number {
    return this.#session.maxMessage - DATA_HEADER;
  }

  get wholePayload(): number {
    return (this.#session.wholeMessage ?? this.#session.maxMessage) - DATA_HEADER;
  }

  /** Whether data messages should be held back; soon they would be dropped. */
  get full(): boolean {
    return this.#session.backlog > DATA_BACKLOG / 4;
  }

  start(): void {
    this.#session.open({
      message: (message) => this.#receive(message),
      drained: () => this.#owner.drained(),
      ended: (error) => this.#apply(error ? { type: 'ended', error } : { type: 'ended' }),
    });
    this.#introduce();
  }

  /** Ends the link, and tells the peer. */
  stop(): void {
    this.#apply({ type: 'stop' });
  }

  /** Ends the link because its peer has come back over another one. */
  replace(): void {
    this.#apply({ type: 'stale' });
  }

  checkIdle(): void {
    this.#apply({ type: 'idle', milliseconds: this.#clock.now() - this.lastReceived });
  }

  /** Sends a routing update or an advertisement. */
  sendControl(message: Buffer): void {
    if (this.#state.phase === 'closed') return;
    if (message.length > this.#session.maxMessage) {
      this.#log.warning(`Not sending a message of ${message.length} bytes to ${this.remote}: too large`);
      return;
    }
    if (this.#session.backlog > CONTROL_BACKLOG) this.giveUp();
    else this.#session.send(message);
  }

  /** Bytes that wait for the peer to read. */
  get backlog(): number {
    return this.#session.backlog;
  }

  /** Ends the link because the peer does not read. */
  giveUp(): void {
    if (this.#state.phase !== 'closed')
      this.#close({ kind: 'stalled', reason: 'the peer does not read what it is sent' });
  }

  /** Sends a data message; whether it was taken. */
  sendData(message: Buffer): boolean {
    if (
      this.#state.phase !== 'up' ||
      message.length > this.#session.maxMessage ||
      this.#session.backlog > DATA_BACKLOG
    ) {
      this.dropped++;
      return false;
    }
    this.#session.send(message);
    return true;
  }

  #introduce(): void {
    this.#apply({ type: 'introduce' });
    if (this.#state.phase === 'starting')
      this.#cancelIntroduction = this.#clock.schedule(INTRODUCTION_INTERVAL, () => this.#introduce());
  }

  #receive(message: Buffer): void {
    if (this.#state.phase === 'closed') return;
    this.lastReceived = this.#clock.now();
    countBytes(message.length);
    const up = this.#state.phase === 'up';
    switch (message[0]) {
      case MessageType.data:
        if (up) this.#receiveData(message);
        return;
      case MessageType.route:
        this.#receiveUpdate(message);
        return;
      case MessageType.advertisement:
        if (up) this.#owner.advertisement(this, message);
        return;
      case MessageType.reject:
        this.#log.warning('Received a rejection message from peer.');
        this.#apply({ type: 'rejected' });
        return;
      case undefined:
        this.complain('warning', `Ignored an empty message from ${this.remote}`);
        return;
      default:
        if (up) this.complain('warning', 'Unknown message type');
    }
  }

  /** Tells of a message that means nothing. A peer that sends only such must not fill the log with them as well. */
  complain(level: 'warning' | 'error', what: string): void {
    this.#complaints++;
    this.#log[this.#complaints <= MAX_COMPLAINTS ? level : 'debug'](what);
    if (this.#complaints === MAX_COMPLAINTS)
      this.#log.warning(`No more of this is told of ${this.remote}, but at log level debug`);
  }

  #receiveData(message: Buffer): void {
    if (message.length >= DATA_HEADER) this.#owner.data(this, message);
    else
      this.complain(
        'error',
        'Error translating data to message struct: data too short to be a valid message',
      );
  }

  #receiveUpdate(message: Buffer): void {
    if (this.#state.phase === 'up') {
      // What the peer says of itself has to be read even then: it is about this link.
      const head = peekRoutingUpdate(message);
      if (head && head.nodeId !== this.peer && this.#owner.isRepeated(head.nodeId, head.updateId)) return;
    }
    let update: RoutingUpdate;
    try {
      update = decodeRoutingUpdate(message);
    } catch (error) {
      if (!(error instanceof MeshError)) throw error;
      this.complain('error', `Error unpacking routing update: ${error.message}`);
      return;
    }
    const occupancy =
      this.#state.phase === 'starting' ? this.#owner.occupancy(update.forwardingNode, this) : 'free';
    this.#apply({ type: 'update', update, occupancy });
  }

  #apply(event: LinkEvent): void {
    const before = this.#state;
    const { state, actions } = nextLinkStep(before, event, this.#rules);
    this.#state = state;
    for (const action of actions) {
      switch (action.do) {
        case 'introduce':
          this.#log.debug('Sending initial connection message');
          this.sendControl(this.#owner.introduction());
          break;
        case 'establish':
          this.#cancelIntroduction?.();
          this.peer = action.peer;
          this.#owner.established(this, action.peer, action.cost);
          break;
        case 'route':
          this.#owner.update(this, action.update);
          break;
        case 'send-reject':
          this.#session.send(REJECT_MESSAGE);
          break;
        case 'close':
          this.#close(action.end);
      }
    }
  }

  #close(end: LinkEnd): void {
    this.#state = { phase: 'closed' };
    this.#cancelIntroduction?.();
    this.#session.close();
    this.#ended(end);
  }
}
