import { type MemoryNetwork, type Session, silentLogger } from '../src/index.js';
import type { VirtualClock } from '../src/simulation/virtual-clock.js';
import { encodeData } from '../src/wire/data.js';
import { nameHash } from '../src/wire/name-hash.js';
import { decodeRoutingUpdate, encodeRoutingUpdate, type RoutingUpdate } from '../src/wire/routing-update.js';

let updates = 0;

/** A neighbour that does exactly what a test says, message by message. */
export class RawPeer {
  readonly messages: Buffer[] = [];
  ended = false;

  private constructor(
    readonly id: string,
    readonly session: Session,
  ) {
    session.open({
      message: (message) => this.messages.push(Buffer.from(message)),
      drained() {},
      ended: () => {
        this.ended = true;
      },
    });
  }

  static async connect(
    network: MemoryNetwork,
    clock: VirtualClock,
    id: string,
    to: string,
  ): Promise<RawPeer> {
    const context = { clock, log: silentLogger, signal: new AbortController().signal };
    const dialler = network.dialler(id, to);
    if (dialler.kind !== 'dialler') throw new Error('not a dialler');
    return new RawPeer(id, await dialler.connect(context));
  }

  /** Connects and agrees with the node at the other end. */
  static async establish(
    network: MemoryNetwork,
    clock: VirtualClock,
    id: string,
    to: string,
  ): Promise<RawPeer> {
    const peer = await RawPeer.connect(network, clock, id, to);
    peer.update({ connections: new Map([[to, 1]]) });
    await clock.advance(200);
    return peer;
  }

  send(...messages: (Buffer | string)[]): void {
    for (const message of messages) this.session.send(Buffer.from(message as string));
  }

  update(fields: Partial<RoutingUpdate> = {}): void {
    updates++;
    this.send(
      encodeRoutingUpdate({
        nodeId: this.id,
        updateId: `raw${updates}`,
        epoch: 1000n,
        sequence: BigInt(updates),
        connections: new Map(),
        forwardingNode: this.id,
        suspectedDuplicate: 0n,
        ...fields,
      }),
    );
  }

  data(toNode: string, fromService: string, toService: string, hops = 10, fromNode = this.id): void {
    this.send(
      encodeData({
        hops,
        fromNode: nameHash(fromNode),
        toNode: nameHash(toNode),
        fromService,
        toService,
        payload: Buffer.from('payload'),
      }),
    );
  }

  ofType(type: number): Buffer[] {
    return this.messages.filter((message) => message[0] === type);
  }

  get updates(): RoutingUpdate[] {
    return this.ofType(1).map(decodeRoutingUpdate);
  }
}
