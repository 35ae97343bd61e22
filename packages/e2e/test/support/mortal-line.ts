import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import {
  DaemonEnded,
  type DaemonProcess,
  type Program,
  startDaemon,
  temporaryDirectory,
} from '@receptor/e2e';
import { isComplete, ReceptorClient, type UnitReport } from '@receptor/protocol';
import { vi } from 'vitest';
import { freePort } from '../../../../test/free-port.js';

const KILL_AT_STEP = fileURLToPath(new URL('./kill-at-step.mjs', import.meta.url));
/** Where a node keeps what it has yet to free elsewhere. */
const LEFTOVERS = '.leftovers';

/** Where a node stands: the one that is submitted at, the one between, the one that runs it. */
export type Place = 'near' | 'middle' | 'far';

/** A daemon's place in a {@link MortalLine}, one life after the other. */
export class MortalNode {
  readonly id: string;
  readonly directory: string;
  readonly #program: Program;
  readonly #sections: readonly unknown[];
  readonly #orders: string;
  readonly #steps: string;
  #daemon: DaemonProcess | undefined;
  #client: ReceptorClient | undefined;
  #ordered = 0;

  constructor(id: string, directory: string, program: Program, sections: readonly unknown[]) {
    this.id = id;
    this.directory = directory;
    this.#program = program;
    this.#sections = sections;
    this.#orders = join(directory, 'orders');
    this.#steps = join(directory, 'steps');
  }

  /** Starts it, or starts it again with what it has left on disk. */
  async start(): Promise<void> {
    await mkdir(this.directory, { recursive: true });
    this.#client?.close();
    this.#daemon = await startDaemon({
      directory: this.directory,
      nodeId: this.id,
      program: this.#program,
      allSections: [
        { node: { id: this.id, datadir: join(this.directory, 'data') } },
        { 'log-level': { level: 'debug' } },
        { 'control-service': { service: 'control', filename: join(this.directory, 'ctl.sock') } },
        { 'work-command': { worktype: 'sh', command: 'sh' } },
        ...this.#sections,
      ],
      env: {
        NODE_OPTIONS: `--import=${KILL_AT_STEP}`,
        KILL_UNDER: join(this.directory, 'data/'),
        KILL_ORDERS: this.#orders,
        KILL_LOG: this.#steps,
      },
    });
    this.#client = new ReceptorClient(this.#daemon.socket);
  }

  get daemon(): DaemonProcess {
    if (!this.#daemon) throw new Error(`${this.id} was not started`);
    return this.#daemon;
  }

  get api(): ReceptorClient {
    if (!this.#client) throw new Error(`${this.id} was not started`);
    return this.#client;
  }

  /** Has a node, itself if no other, killed at the n-th thing that this one changes on disk from here on. */
  order(at: number, victim: MortalNode = this): void {
    rmSync(this.#steps, { force: true });
    const pid = victim === this ? {} : { pid: victim.daemon.pid };
    writeFileSync(`${this.#orders}.new`, JSON.stringify({ at, life: ++this.#ordered, ...pid }));
    renameSync(`${this.#orders}.new`, this.#orders);
  }

  /** Nobody is killed any more. */
  pardon(): void {
    rmSync(this.#orders, { force: true });
  }

  /** What it has changed on disk since the order, line by line. */
  steps(): string[] {
    return existsSync(this.#steps) ? readFileSync(this.#steps, 'utf8').trim().split('\n') : [];
  }

  /** The units that have a directory. */
  units(): string[] {
    return this.#names('').filter((name) => name !== LEFTOVERS);
  }

  /** The units of which something is left on another node, as far as this one knows. */
  leftovers(): string[] {
    return this.#names(LEFTOVERS);
  }

  #names(under: string): string[] {
    const directory = join(this.directory, 'data', this.id, under);
    return existsSync(directory) ? readdirSync(directory) : [];
  }

  /** Waits for the end of a unit. @throws where the daemon dies before */
  async ended(id: string): Promise<UnitReport> {
    for (;;) {
      const unit = await this.api.workStatus(id);
      if (isComplete(unit.State) || unit.StateName === 'Canceled') return unit;
      await sleep(10);
    }
  }

  /** Whether it was not killed while this was done. */
  async survives(what: () => Promise<unknown>): Promise<boolean> {
    const { daemon } = this;
    try {
      await what();
      return true;
    } catch (error) {
      const killed = error instanceof DaemonEnded ? error : await Promise.race([daemon.ended, sleep(5_000)]);
      if (killed?.signal === 'SIGKILL') return false;
      throw error;
    }
  }
}

/**
 * Three nodes, of which the ends know each other only over the one in the middle. Whoever dies often dials, because who is dialled
 * has to wait after many deaths: those that it lost dial again the later the more often it did not last.
 */
export class MortalLine {
  readonly #directory: Awaited<ReturnType<typeof temporaryDirectory>>;
  readonly near: MortalNode;
  readonly middle: MortalNode;
  readonly far: MortalNode;

  private constructor(
    directory: Awaited<ReturnType<typeof temporaryDirectory>>,
    nodes: readonly [MortalNode, MortalNode, MortalNode],
  ) {
    this.#directory = directory;
    [this.near, this.middle, this.far] = nodes;
  }

  /** @param victim who is to die */
  static async start(
    programs: readonly [near: Program, middle: Program, far: Program],
    victim: Place,
  ): Promise<MortalLine> {
    const directory = await temporaryDirectory();
    const ports = [await freePort(), await freePort()] as const;
    const dial = ports.map((port) => ({ 'tcp-peer': { address: `127.0.0.1:${port}` } }));
    const listen = ports.map((port) => ({ 'tcp-listener': { bindaddr: '127.0.0.1', port } }));
    const [middle, ends] = victim === 'middle' ? [dial, listen] : [listen, dial];
    const node = (id: Place, program: Program, sections: readonly unknown[]) =>
      new MortalNode(id, join(directory.path, id), program, sections);
    const line = new MortalLine(directory, [
      node('near', programs[0], [ends[0]]),
      node('middle', programs[1], middle),
      node('far', programs[2], [ends[1]]),
    ]);
    await Promise.all(line.nodes.map((each) => each.start()));
    await line.joined();
    return line;
  }

  get nodes(): readonly MortalNode[] {
    return [this.near, this.middle, this.far];
  }

  /** The path of a file of the line. */
  file(name: string): string {
    return join(this.#directory.path, name);
  }

  /** Resolves when the ends know each other. */
  async joined(): Promise<void> {
    for (const [from, to] of [
      [this.near, this.far],
      [this.far, this.near],
    ] as const)
      await vi.waitFor(
        async () => {
          const { RoutingTable } = await from.api.status({ fields: ['RoutingTable'] });
          if (!RoutingTable?.[to.id]) throw new Error(`${from.id} does not reach ${to.id}`);
        },
        { timeout: 60_000, interval: 20 },
      );
  }

  async close(): Promise<void> {
    for (const node of this.nodes) {
      node.api.close();
      await node.daemon.kill();
    }
    await this.#directory.remove();
  }
}
