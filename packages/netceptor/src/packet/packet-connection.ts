import { EventEmitter } from 'node:events';
import type { Unreachable } from '../wire/unreachable.js';

/** A packet that came in. */
export interface Packet {
  readonly payload: Buffer;
  readonly fromNode: string;
  readonly fromService: string;
  /** How many more links it could have gone over. */
  readonly hops: number;
}

/** Word that a packet could not be delivered. */
export interface UnreachableNotice extends Unreachable {
  /** The node that says so. */
  readonly reportedBy: string;
}

/** The events of a {@link PacketConnection}. */
export interface PacketEvents {
  packet: [Packet];
  unreachable: [UnreachableNotice];
  close: [];
}

/** Sends one packet. Returns whether more may follow at once: false when the way out is full, and packets begin to be lost. */
export type SendPacket = (payload: Uint8Array, node: string, service: string, hops: number) => boolean;

/**
 * A service of packets: what is sent arrives whole, or not at all (reference: mesh, 5.1). A packet that nobody listens for
 * is lost.
 */
export class PacketConnection extends EventEmitter<PacketEvents> {
  /** The name of the service on this node. */
  readonly service: string;
  readonly #send: SendPacket;
  readonly #release: () => void;
  #closed = false;

  /** Made by {@link Netceptor.openPacket}. */
  constructor(service: string, send: SendPacket, release: () => void) {
    super();
    this.service = service;
    this.#send = send;
    this.#release = release;
  }

  /**
   * Sends a packet.
   * @param hops how many links it may go over at most
   * @returns false when the link to the next node is full: what is sent before it has drained may be lost
   * @throws MeshError `RECEPTOR_MESH_NO_ROUTE`, `RECEPTOR_MESH_SERVICE_NAME`, `RECEPTOR_MESH_TOO_LARGE`,
   *   `RECEPTOR_MESH_SERVICE_UNKNOWN` when the target is this node, `RECEPTOR_MESH_CLOSED`
   */
  send(payload: Uint8Array, node: string, service: string, hops = 30): boolean {
    return this.#send(payload, node, service, hops);
  }

  /** Whether it is closed. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Gives the service's name free. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#release();
    this.emit('close');
  }
}
