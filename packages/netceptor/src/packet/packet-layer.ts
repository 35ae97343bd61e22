import { MeshError } from '../errors.js';
import type { Firewall } from '../firewall/firewall.js';
import type { Logger } from '../logger.js';
import { type Random, randomName } from '../random.js';
import {
  DATA_HEADER,
  DataOffset,
  decodeServiceName,
  encodeServiceName,
  SERVICE_NAME_LENGTH,
  writeServiceName,
} from '../wire/data.js';
import { decodeUnreachable, encodeUnreachable, Problem, type Unreachable } from '../wire/unreachable.js';
import { type NamedNode, Names, writeHash } from './names.js';
import { PacketConnection } from './packet-connection.js';

/** The links a message may go over at most (reference: mesh, 3.4). */
export const MAX_HOPS = 30;
const PING = 'ping';
const UNREACH = 'unreach';
const RESERVED = [PING, UNREACH];

/** Where a message can be sent to: the link to a neighbour. */
export interface Way {
  readonly maxPayload: number;
  /** Bytes of a payload that is sure not to travel in pieces. */
  readonly wholePayload: number;
  /** Whether what is sent next may be lost because too much is waiting already. */
  readonly full: boolean;
  /** Whether it was taken. */
  sendData(message: Buffer): boolean;
}

/** The settings of a {@link PacketLayer}. */
export interface PacketLayerOptions {
  readonly nodeId: string;
  readonly firewall: Firewall;
  readonly log: Logger;
  readonly random: Random;
}

/** What has been done with messages since the start. */
export interface PacketCounters {
  delivered: number;
  forwarded: number;
  /** Messages that could not be delivered or passed on. */
  dropped: number;
}

const serviceKey = (message: Buffer, offset: number) =>
  message.toString('latin1', offset, offset + SERVICE_NAME_LENGTH);
const keyOf = (service: string) => serviceKey(encodeServiceName(service), 0);

/** Delivers and forwards data messages (reference: mesh, 3). */
export class PacketLayer {
  readonly names = new Names<Way>();
  readonly counters: PacketCounters = { delivered: 0, forwarded: 0, dropped: 0 };
  readonly #nodeId: string;
  readonly #self: NamedNode<Way>;
  readonly #firewall: Firewall;
  readonly #log: Logger;
  readonly #random: Random;
  readonly #services = new Map<string, PacketConnection>();
  readonly #waiting = new Set<() => void>();

  constructor({ nodeId, firewall, log, random }: PacketLayerOptions) {
    this.#nodeId = nodeId;
    this.#self = this.names.add(nodeId);
    this.#firewall = firewall;
    this.#log = log;
    this.#random = random;
  }

  /**
   * Registers a service; an empty name stands for any that is free.
   * @throws MeshError `RECEPTOR_MESH_SERVICE_IN_USE`, `RECEPTOR_MESH_SERVICE_NAME`
   */
  open(name: string): PacketConnection {
    const service = name === '' ? this.#freeName() : name;
    const key = keyOf(service);
    if (RESERVED.includes(service) || this.#services.has(key))
      throw new MeshError('RECEPTOR_MESH_SERVICE_IN_USE', `service ${service} is already listening`);
    const connection: PacketConnection = new PacketConnection(service, {
      send: (payload, node, toService, hops) => this.send(service, node, toService, payload, hops),
      sendMessage: (message, node, toService) =>
        this.sendMessage(message, service, node, toService, MAX_HOPS),
      whenDrained: (resume) => this.whenDrained(resume),
      wholePayload: (node) => this.names.resolve(node).way?.wholePayload,
      release: () => this.#services.delete(key),
    });
    this.#services.set(key, connection);
    this.#log.debug(`${this.#nodeId} added service ${service} to listener registry`);
    return connection;
  }

  close(): void {
    for (const connection of [...this.#services.values()]) connection.close();
  }

  #freeName(): string {
    for (;;) {
      const name = randomName(this.#random);
      if (!this.#services.has(keyOf(name))) return name;
    }
  }

  /** Sends a message from a service of this node; see {@link PacketConnection.send}. */
  send(fromService: string, node: string, toService: string, payload: Uint8Array, hops: number): boolean {
    const message = Buffer.allocUnsafe(DATA_HEADER + payload.length);
    message.set(payload, DATA_HEADER);
    return this.sendMessage(message, fromService, node, toService, hops);
  }

  /** Sends a message whose header is still to be written, into the room that was left for it. */
  sendMessage(message: Buffer, fromService: string, node: string, toService: string, hops: number): boolean {
    const target = node.toLowerCase() === 'localhost' ? this.#self : this.names.resolve(node);
    message.writeUInt32BE(0);
    message[DataOffset.hops] = hops;
    writeHash(message, DataOffset.fromNode, this.#self);
    writeHash(message, DataOffset.toNode, target);
    writeServiceName(message, DataOffset.fromService, fromService);
    writeServiceName(message, DataOffset.toService, toService);
    if (!this.#passes(message, this.#self, target)) return true;
    if (target === this.#self) {
      if (!this.#deliver(message, this.#self))
        throw new MeshError('RECEPTOR_MESH_SERVICE_UNKNOWN', Problem.serviceUnknown);
      return true;
    }
    if (hops <= 0) {
      this.#returnToSender(message, this.#self, target, Problem.expired);
      return true;
    }
    const { way } = target;
    if (!way) throw new MeshError('RECEPTOR_MESH_NO_ROUTE', 'no route to node');
    const size = message.length - DATA_HEADER;
    if (size > way.maxPayload)
      throw new MeshError(
        'RECEPTOR_MESH_TOO_LARGE',
        `a packet of ${size} bytes is larger than the ${way.maxPayload} of the link`,
      );
    message[DataOffset.hops] = hops - 1;
    way.sendData(message);
    return !way.full;
  }

  /** Calls back once when a link that was full has sent what waited, or the ways have changed. */
  whenDrained(resume: () => void): void {
    this.#waiting.add(resume);
  }

  /** What waited on a link has been sent, or messages take other ways now. */
  drained(): void {
    if (this.#waiting.size === 0) return;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const resume of waiting) resume();
  }

  /** Takes a message that came over a link, with a whole header: for this node, or to be passed on as it is but for one byte. */
  receive(message: Buffer): void {
    const target = this.names.find(message, DataOffset.toNode);
    if (!target) {
      this.#drop('Error translating data to message struct: hash not found');
      return;
    }
    if (!this.#firewall.isOpen || target === this.#self) {
      const source = this.names.find(message, DataOffset.fromNode);
      if (!source) {
        this.#drop('Error translating data to message struct: hash not found');
        return;
      }
      if (!this.#passes(message, source, target)) return;
      if (target === this.#self) {
        if (!this.#deliver(message, source))
          this.#returnToSender(message, source, target, Problem.serviceUnknown);
        return;
      }
    }
    this.#forward(message, target);
  }

  #forward(message: Buffer, target: NamedNode<Way>): void {
    const hops = message.readUInt8(DataOffset.hops);
    if (hops === 0) {
      const source = this.names.find(message, DataOffset.fromNode);
      if (source && decodeServiceName(message, DataOffset.fromService) !== UNREACH)
        this.#returnToSender(message, source, target, Problem.expired);
      this.counters.dropped++;
      return;
    }
    if (!target.way) {
      this.#drop(`Error handling message data: no route to node ${target.name}`);
      return;
    }
    message[DataOffset.hops] = hops - 1;
    if (target.way.sendData(message)) this.counters.forwarded++;
    else this.counters.dropped++;
  }

  #drop(why: string): void {
    this.counters.dropped++;
    this.#log.debug(why);
  }

  /** Asks the firewall, and tells the sender when it refuses. */
  #passes(message: Buffer, source: NamedNode<Way>, target: NamedNode<Way>): boolean {
    if (this.#firewall.isOpen) return true;
    const fromService = decodeServiceName(message, DataOffset.fromService);
    const toService = decodeServiceName(message, DataOffset.toService);
    const action = this.#firewall.decide({
      fromNode: source.name,
      toNode: target.name,
      fromService,
      toService,
    });
    if (action === 'accept') return true;
    this.counters.dropped++;
    if (action === 'reject' && fromService !== UNREACH)
      this.#returnToSender(message, source, target, Problem.blocked);
    return false;
  }

  /** Whether somebody listens. */
  #deliver(message: Buffer, source: NamedNode<Way>): boolean {
    const service = decodeServiceName(message, DataOffset.toService);
    const fromService = decodeServiceName(message, DataOffset.fromService);
    if (service === PING) {
      this.#answer(() => this.send(PING, source.name, fromService, Buffer.alloc(0), MAX_HOPS));
      return true;
    }
    if (service === UNREACH) {
      this.#receiveUnreachable(message, source.name);
      return true;
    }
    const connection = this.#services.get(serviceKey(message, DataOffset.toService));
    if (!connection) return false;
    this.counters.delivered++;
    connection.emit('packet', {
      payload: message.subarray(DATA_HEADER),
      fromNode: source.name,
      fromService,
      hops: message.readUInt8(DataOffset.hops),
    });
    return true;
  }

  #receiveUnreachable(message: Buffer, reportedBy: string): void {
    let unreachable: Unreachable;
    try {
      unreachable = decodeUnreachable(message.subarray(DATA_HEADER));
    } catch (error) {
      if (!(error instanceof MeshError)) throw error;
      this.#log.debug(`Ignored an unreachable message from ${reportedBy}: ${error.message}`);
      return;
    }
    this.#log.debug(
      `Received unreachable message from ${reportedBy} (service unreach) to ${this.#nodeId} (service unreach): ` +
        `ttl ${message.readUInt8(DataOffset.hops)}, data ${unreachable.problem}`,
    );
    this.#notify(unreachable, reportedBy);
  }

  #notify(unreachable: Unreachable, reportedBy: string): void {
    if (unreachable.fromNode !== this.#nodeId) return;
    if (Buffer.byteLength(unreachable.fromService) > SERVICE_NAME_LENGTH) return;
    this.#services.get(keyOf(unreachable.fromService))?.emit('unreachable', { ...unreachable, reportedBy });
  }

  #returnToSender(message: Buffer, source: NamedNode<Way>, target: NamedNode<Way>, problem: string): void {
    const unreachable: Unreachable = {
      fromNode: source.name,
      toNode: target.name,
      fromService: decodeServiceName(message, DataOffset.fromService),
      toService: decodeServiceName(message, DataOffset.toService),
      problem,
    };
    if (source === this.#self) {
      // Not before the sender has done what it was about to do.
      queueMicrotask(() => this.#notify(unreachable, this.#nodeId));
      return;
    }
    this.#answer(() => this.send(UNREACH, source.name, UNREACH, encodeUnreachable(unreachable), MAX_HOPS));
  }

  /** Sends what nobody waits for; that there is no way back is no error of anybody here. */
  #answer(send: () => unknown): void {
    try {
      send();
    } catch (error) {
      if (!(error instanceof MeshError)) throw error;
      this.#log.debug(`Error sending an answer: ${error.message}`);
    }
  }
}
