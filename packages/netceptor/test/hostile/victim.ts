import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { expect } from 'vitest';
import { Netceptor, TcpDialler, TcpListener } from '../../src/index.js';
import { encodeFrame } from '../../src/wire/frame.js';
import { encodeRoutingUpdate } from '../../src/wire/routing-update.js';

export const host = '127.0.0.1';
export const portOf = (address: string) => Number(address.split(':').at(-1));

let updates = 0;
/** The update by which a peer makes itself known. */
export const introduce = (id: string, connections: [string, number][] = [['victim', 1]]) =>
  encodeRoutingUpdate({
    nodeId: id,
    updateId: `hostile${updates++}`,
    epoch: 5n,
    sequence: BigInt(updates),
    connections: new Map(connections),
    forwardingNode: id,
    suspectedDuplicate: 0n,
  });

/** A node that is attacked, and an honest neighbour over a backend of its own, whose link has to outlive all attacks. */
export class Victim {
  readonly node = new Netceptor({ id: 'victim' });
  readonly #friend = new Netceptor({ id: 'friend' });
  readonly #sockets: Socket[] = [];

  static async start(): Promise<Victim> {
    const victim = new Victim();
    const { address } = await victim.node.addBackend(new TcpListener({ port: 0, host }));
    await victim.#friend.addBackend(new TcpDialler({ address }));
    while (!victim.#friend.isReachable('victim')) await once(victim.#friend, 'routesChanged');
    await victim.reaches('friend');
    return victim;
  }

  async reaches(id: string): Promise<void> {
    while (!this.node.isReachable(id)) await once(this.node, 'routesChanged');
  }

  /** A connection of which only the system knows; `ended` is settled once the other side has ended it. */
  async open(address: string): Promise<{ readonly socket: Socket; readonly ended: Promise<void> }> {
    const socket = connect(portOf(address), host);
    this.#sockets.push(socket);
    socket.on('error', () => {});
    const ended = new Promise<void>((resolve) => socket.once('close', () => resolve()));
    await once(socket, 'connect');
    socket.resume();
    return { socket, ended };
  }

  /** A neighbour over TCP. */
  async neighbour(address: string, id: string): Promise<Socket> {
    const { socket } = await this.open(address);
    socket.write(encodeFrame(introduce(id)));
    await this.reaches(id);
    return socket;
  }

  /** The link to the honest neighbour is the one that it was, and carries packets. */
  async expectUnharmed(): Promise<void> {
    expect(await this.#friend.ping('victim')).toMatchObject({ from: 'victim' });
    expect(this.node.status().connections).toContainEqual({ nodeId: 'friend', cost: 1 });
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all([this.node.close(), this.#friend.close()]);
  }
}
