import { EventEmitter } from 'node:events';
import { MeshError } from '../errors.js';
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

/** What a connection needs of the layer below. */
export interface PacketSender {
  send(payload: Uint8Array, node: string, service: string, hops: number): boolean;
  sendMessage(message: Buffer, node: string, service: string): boolean;
  whenDrained(resume: () => void): void;
  wholePayload(node: string): number | undefined;
  release(): void;
}

/**
 * A service of packets: what is sent arrives whole, or not at all (reference: mesh, 5.1). A packet that nobody listens for
 * is lost.
 */
export class PacketConnection extends EventEmitter<PacketEvents> {
  /** The name of the service on this node. */
  readonly service: string;
  readonly #sender: PacketSender;
  #closing = false;
  #closed = false;

  /** Made by {@link Netceptor.openPacket}. */
  constructor(service: string, sender: PacketSender) {
    super();
    this.service = service;
    this.#sender = sender;
  }

  /**
   * Sends a packet.
   * @param hops how many links it may go over at most
   * @returns false when the link to the next node is full: what is sent before it has drained may be lost
   * @throws MeshError `RECEPTOR_MESH_NO_ROUTE`, `RECEPTOR_MESH_SERVICE_NAME`, `RECEPTOR_MESH_TOO_LARGE`,
   *   `RECEPTOR_MESH_SERVICE_UNKNOWN` when the target is this node, `RECEPTOR_MESH_CLOSED`
   */
  send(payload: Uint8Array, node: string, service: string, hops = 30): boolean {
    this.#assertOpen();
    return this.#sender.send(payload, node, service, hops);
  }

  /**
   * Sends a packet that is in its message already, after 36 bytes of room for the header; otherwise as {@link send}. The
   * buffer is not the caller's any more.
   */
  sendMessage(message: Buffer, node: string, service: string): boolean {
    this.#assertOpen();
    return this.#sender.sendMessage(message, node, service);
  }

  /** Calls back once when more may be sent, after {@link send} has returned false. */
  whenDrained(resume: () => void): void {
    this.#sender.whenDrained(resume);
  }

  /** Bytes of the largest packet that does not travel in pieces on its first link; undefined without a way to the node. */
  wholePayload(node: string): number | undefined {
    return this.#sender.wholePayload(node);
  }

  /** Whether it is closed. */
  get closed(): boolean {
    return this.#closed;
  }

  #assertOpen(): void {
    if (this.#closed) throw new MeshError('RECEPTOR_MESH_CLOSED', 'connection closed');
  }

  /** Gives the service's name free. Who hears of it by the event can still send, to say goodbye. */
  close(): void {
    if (this.#closing) return;
    this.#closing = true;
    this.emit('close');
    this.#closed = true;
    this.#sender.release();
  }
}
