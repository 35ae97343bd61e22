import { type Conditions, MemoryNetwork } from '../backends/memory.js';
import type { Clock } from '../clock.js';
import { MeshError } from '../errors.js';
import type { RunningBackend } from '../node/options.js';
import { Netceptor } from '../node.js';
import type { Random } from '../random.js';
import type { RoutingTable } from '../routing/shortest-paths.js';
import { DATA_HEADER, DataOffset } from '../wire/data.js';
import { MessageType } from '../wire/message.js';
import type { GraphLink } from './graphs.js';
import { seededRandom } from './random.js';
import { VirtualClock } from './virtual-clock.js';

/** What has gone over the links of a mesh. */
export interface Traffic {
  messages: number;
  bytes: number;
  /** Of the messages, those that carried data. */
  data: number;
  /** Messages that were lost on purpose. */
  lost: number;
  /** The links that one packet went over, of the packet that went over most. */
  longest: number;
}

/** What links are like; all links are perfect when left out. */
export interface LinkQuality {
  /** Milliseconds on the way, at least. */
  readonly delay?: number;
  /** Milliseconds more, by chance; messages overtake one another. */
  readonly jitter?: number;
  /** Of a thousand messages, those that are lost. */
  readonly loss?: number;
}

interface Member {
  readonly node: Netceptor;
  /** Its backends by the number of the other node. */
  readonly dials: Map<number, RunningBackend>;
}

/** A whole mesh in one process: nodes as in production, on a network in memory and on a clock that does not wait. */
export class SimulatedMesh {
  readonly clock = new VirtualClock();
  readonly random: Random;
  readonly traffic: Traffic = { messages: 0, bytes: 0, data: 0, lost: 0, longest: 0 };
  readonly #network = new MemoryNetwork();
  readonly #members = new Map<number, Member>();
  #links: readonly GraphLink[];
  #quality: LinkQuality = {};
  /** What the links of single nodes are like, instead. */
  readonly #qualities = new Map<number, LinkQuality>();
  /** The links that every packet went over so far. */
  readonly #journeys = new Map<string, number>();
  /** The side of the partition that a node is on. */
  #sides: ((node: number) => number) | undefined;

  constructor(links: readonly GraphLink[], seed = 1) {
    this.#links = links;
    this.random = seededRandom(seed);
    this.#network.conditions = this.#conditions;
  }

  /** What is the fate of every message from now on, or of those from and to one node. */
  setQuality(quality: LinkQuality, node?: number): void {
    if (node !== undefined) this.#qualities.set(node, quality);
    else {
      this.#quality = quality;
      this.#qualities.clear();
    }
  }

  node(number: number): Netceptor {
    const member = this.#members.get(number);
    if (!member) throw new MeshError('RECEPTOR_MESH_CLOSED', `node ${number} is not running`);
    return member.node;
  }

  /** The numbers of the nodes that run. */
  get running(): number[] {
    return [...this.#members.keys()];
  }

  /** Starts a node; `clockOffset` is by how many milliseconds its clock is wrong. */
  async start(number: number, { clockOffset = 0, id = nodeId(number) } = {}): Promise<Netceptor> {
    const clock: Clock = {
      now: () => this.clock.now() + clockOffset,
      schedule: (delay, fire) => this.clock.schedule(delay, fire),
    };
    const node = new Netceptor({ id, clock, random: this.random });
    const member: Member = { node, dials: new Map() };
    this.#members.set(number, member);
    // A node that is told to be a duplicate stops of itself.
    node.once('closed', () => {
      if (this.#members.get(number) === member) this.#members.delete(number);
    });
    const nodeCost = Object.fromEntries(
      this.#links.filter(({ to }) => to === number).map(({ from, cost }) => [nodeId(from), cost]),
    );
    await node.addBackend(this.#network.listener(nodeId(number)), { nodeCost });
    for (const link of this.#links) if (link.from === number) await this.#dial(member, link);
    return node;
  }

  async #dial(member: Member, { from, to, cost }: GraphLink): Promise<void> {
    const dialler = this.#network.dialler(nodeId(from), nodeId(to));
    member.dials.set(to, await member.node.addBackend(dialler, { cost }));
  }

  /**
   * Sends a packet that will be answered if it arrives; unlike a ping it is not sent again, so that its links can be counted.
   * Whether there was a way.
   */
  sendPacket(from: number, to: number): boolean {
    const connection = this.node(from).openPacket();
    try {
      connection.send(Buffer.from(`packet from ${connection.service}`), nodeId(to), 'ping');
      return true;
    } catch (error) {
      if (!(error instanceof MeshError) || error.code !== 'RECEPTOR_MESH_NO_ROUTE') throw error;
      return false;
    } finally {
      connection.close();
    }
  }

  /** Stops a node; it tells its neighbours. */
  async stop(number: number): Promise<void> {
    const member = this.#members.get(number);
    this.#members.delete(number);
    const closing = member?.node.close();
    await this.clock.advance(2000);
    await closing;
  }

  /** Cuts all links between nodes of different sides, without anybody being told; undefined heals them. */
  partition(side: ((node: number) => number) | undefined): void {
    this.#sides = side;
  }

  async stopAll(): Promise<void> {
    const closing = [...this.#members.values()].map(({ node }) => node.close());
    this.#members.clear();
    await this.clock.advance(10_000);
    await Promise.all(closing);
  }

  /** The links between nodes that run and are not cut off from one another. */
  get liveLinks(): GraphLink[] {
    const up = (node: number) => this.#members.has(node);
    return this.#links.filter(({ from, to }) => up(from) && up(to) && this.#side(from) === this.#side(to));
  }

  /** The routing table of every node, by its ID. */
  tables(): Map<string, RoutingTable> {
    return new Map([...this.#members.values()].map(({ node }) => [node.id, node.routes]));
  }

  #side(node: number): number {
    return this.#sides?.(node) ?? 0;
  }

  readonly #conditions: Conditions = (fromId, toId, message) => {
    const [from, to] = [nodeNumber(fromId), nodeNumber(toId)];
    const {
      delay = 0,
      jitter = 0,
      loss = 0,
    } = this.#qualities.get(from) ?? this.#qualities.get(to) ?? this.#quality;
    this.traffic.messages++;
    this.traffic.bytes += message.length;
    if (message[0] === MessageType.data) this.#countPacket(message);
    const cut = this.#sides !== undefined && this.#side(from) !== this.#side(to);
    const lost = cut || (loss > 0 && this.random(1000) < loss);
    if (lost) this.traffic.lost++;
    return { lost, delay: jitter > 0 ? delay + this.random(jitter + 1) : delay };
  };

  /** Counts on its own how far packets go, whatever they say of their hops. */
  #countPacket(message: Buffer): void {
    this.traffic.data++;
    // All but the hops. That a neighbour is still there is asked with the same packet again and again, over one link.
    const packet = message.toString('latin1', DataOffset.fromNode);
    if (message.length === DATA_HEADER && packet.includes('unreach')) return;
    const links = (this.#journeys.get(packet) ?? 0) + 1;
    this.#journeys.set(packet, links);
    this.traffic.longest = Math.max(this.traffic.longest, links);
  }
}

/** The ID of a simulated node. */
export function nodeId(number: number): string {
  return `n${number}`;
}

function nodeNumber(id: string): number {
  return Number(id.slice(1));
}
