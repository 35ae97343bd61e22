import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ReceptorClient } from '@receptor/protocol';
import { type DaemonProcess, type Program, startDaemon } from '../index.js';
import { Link } from './link.js';

/** A node of a {@link Line}, which may be killed and started again. */
export interface Node {
  readonly id: string;
  readonly directory: string;
  readonly daemon: DaemonProcess;
  /** Speaks to its control socket, before and after it was started again. */
  readonly client: ReceptorClient;
  /** Kills it and starts it again at once. */
  restart(): Promise<void>;
}

/** Settings of {@link Line.start}. */
export interface LineOptions {
  directory: string;
  /** What each node runs. */
  programs: readonly Program[];
  /** Sections of every node, beside those that make it a node of the line. */
  sections: readonly unknown[];
  /** Whether links can be cut; their bytes go through this process. */
  cuttable: boolean;
}

/** Daemons of which each dials the one before it. */
export class Line {
  readonly nodes: Node[] = [];
  readonly links: Link[] = [];

  private constructor() {}

  /** Starts the nodes and waits until each has a way to every other. */
  static async start(options: LineOptions): Promise<Line> {
    const line = new Line();
    try {
      let before: number | undefined;
      for (const [number, program] of options.programs.entries()) {
        const port = await freePort();
        line.nodes.push(await startNode(options, program, number, port, before));
        before = port;
        if (!options.cuttable || number === options.programs.length - 1) continue;
        const link = await Link.open(port);
        line.links.push(link);
        before = link.port;
      }
      await Promise.all(line.nodes.map((node) => untilWays(node, line.nodes.length - 1)));
    } catch (error) {
      await line.end();
      throw error;
    }
    return line;
  }

  /** The node at which work is submitted. */
  get first(): Node {
    return at(this.nodes, 0);
  }

  /** The node that does it. */
  get last(): Node {
    return at(this.nodes, this.nodes.length - 1);
  }

  /** Kills all nodes. */
  async end(): Promise<void> {
    await Promise.all(this.nodes.map(({ daemon }) => daemon.kill()));
    for (const link of this.links) link.close();
    for (const { client } of this.nodes) client.close();
  }
}

async function startNode(
  { directory, sections }: LineOptions,
  program: Program,
  number: number,
  port: number,
  peerPort: number | undefined,
): Promise<Node> {
  const id = `node${number}`;
  const place = join(directory, id);
  await mkdir(place);
  const allSections = [
    { node: { id, datadir: join(place, 'data') } },
    { 'log-level': { level: 'info' } },
    { 'control-service': { service: 'control', filename: join(place, 'ctl.sock') } },
    { 'tcp-listener': { bindaddr: '127.0.0.1', port } },
    ...(peerPort === undefined ? [] : [{ 'tcp-peer': { address: `127.0.0.1:${peerPort}` } }]),
    ...sections,
  ];
  const options = { directory: place, nodeId: id, program, allSections };
  let daemon = await startDaemon(options);
  return {
    id,
    directory: place,
    get daemon() {
      return daemon;
    },
    client: new ReceptorClient(daemon.socket),
    restart: async () => {
      await daemon.kill();
      daemon = await startDaemon(options);
    },
  };
}

async function untilWays({ client }: Node, count: number): Promise<void> {
  for (;;) {
    const { RoutingTable } = await client.status({ fields: ['RoutingTable'] });
    if (Object.keys(RoutingTable ?? {}).length === count) return;
    await delay(50);
  }
}

/** One below those that systems hand out to whoever dials, so that nobody has it while its node is away. */
async function freePort(): Promise<number> {
  for (;;) {
    const server = createServer();
    const port = randomInt(10_000, 30_000);
    try {
      await once(server.listen(port, '127.0.0.1'), 'listening');
    } catch {
      continue;
    }
    server.close();
    await once(server, 'close');
    return port;
  }
}

function at<T>(items: readonly T[], index: number): T {
  const item = items.at(index);
  if (item === undefined) throw new Error('a line without nodes');
  return item;
}
