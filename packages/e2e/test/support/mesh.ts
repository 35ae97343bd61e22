import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type DaemonProcess, goReceptor, type Program, startDaemon, temporaryDirectory } from '@receptor/e2e';
import { ReceptorClient } from '@receptor/protocol';
import { vi } from 'vitest';

/** What the name of a suite says when it is skipped. */
export const SKIPPED = goReceptor ? '' : ' (skipped: RECEPTOR_GO does not name a Go daemon)';

/** A node of a {@link Mesh}. */
export interface MeshNode {
  readonly nodeId: string;
  readonly daemon: DaemonProcess;
  /** Speaks to its control socket. */
  readonly client: ReceptorClient;
}

/** Nodes that run as processes of their own, each with a control socket and the work type `cat`. */
export class Mesh {
  readonly #directory: Awaited<ReturnType<typeof temporaryDirectory>>;
  readonly #nodes: MeshNode[] = [];

  private constructor(directory: Awaited<ReturnType<typeof temporaryDirectory>>) {
    this.#directory = directory;
  }

  static async create(): Promise<Mesh> {
    return new Mesh(await temporaryDirectory());
  }

  /** The path of a file of the mesh. */
  file(name: string): string {
    return join(this.#directory.path, name);
  }

  /** Writes a file that only its owner can read, and returns its path. */
  async write(name: string, text: string): Promise<string> {
    await writeFile(this.file(name), text, { mode: 0o600 });
    return this.file(name);
  }

  /**
   * Starts a node, or starts it again in its directory.
   * @param sections beside those that every node has
   * @param settings of its section `node`, beside ID and directory
   * @param control of its section `control-service`
   */
  async start(
    nodeId: string,
    program: Program | undefined,
    sections: readonly unknown[],
    settings: Record<string, unknown> = {},
    control: Record<string, unknown> = {},
  ): Promise<MeshNode> {
    if (!program) throw new Error('not reached: the test is skipped');
    const directory = this.file(nodeId);
    await mkdir(directory, { recursive: true });
    const daemon = await startDaemon({
      directory,
      nodeId,
      program,
      allSections: [
        { node: { id: nodeId, datadir: join(directory, 'data'), ...settings } },
        { 'log-level': { level: 'debug' } },
        { 'control-service': { service: 'control', filename: join(directory, 'ctl.sock'), ...control } },
        { 'work-command': { worktype: 'cat', command: 'cat' } },
        ...sections,
      ],
    });
    const node = { nodeId, daemon, client: new ReceptorClient(daemon.socket) };
    this.#nodes.push(node);
    return node;
  }

  /** Ends all nodes and removes what they had. */
  async close(): Promise<void> {
    for (const { client, daemon } of this.#nodes.splice(0).reverse()) {
      client.close();
      await daemon.kill();
    }
    await this.#directory.remove();
  }
}

/** Resolves when a node has these ways, and no others. */
export async function hasRoutes({ client }: MeshNode, routes: Record<string, string>): Promise<void> {
  await vi.waitFor(
    async () => {
      const { RoutingTable } = await client.status();
      if (JSON.stringify(sorted(RoutingTable)) !== JSON.stringify(sorted(routes)))
        throw new Error(`the routes are ${JSON.stringify(RoutingTable)}`);
    },
    { timeout: 60_000, interval: 50 },
  );
}

/** Resolves when a node knows of the control service of another; a Go node tells of its own up to a minute later. */
export async function knowsServiceOf({ client }: MeshNode, ...others: string[]): Promise<void> {
  await vi.waitFor(
    async () => {
      const { Advertisements } = await client.status();
      for (const other of others)
        if (!Advertisements?.some(({ NodeID, Service }) => NodeID === other && Service === 'control'))
          throw new Error(`nothing was heard of the control service of ${other}`);
    },
    { timeout: 90_000, interval: 50 },
  );
}

const sorted = (object: Record<string, string> = {}) => Object.fromEntries(Object.entries(object).sort());
