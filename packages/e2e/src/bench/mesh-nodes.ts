import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type DaemonProcess, type Program, startDaemon, temporaryDirectory } from '../index.js';
import { makeFinishedUnit, SECTIONS } from './daemon-benchmarks.js';
import { RawClient } from './raw-client.js';

const PATIENCE_MS = 180_000;
/** How often each of so many nodes is asked what it knows: all of them together 500 times a second. */
const pollMs = (count: number): number => 2 * count;

/** Daemons of one program that are linked over TCP. */
export interface Mesh {
  readonly nodes: readonly DaemonProcess[];
  /** Milliseconds from the start of the first until every one had a way to every other. */
  readonly settled: number;
  /** Kills a node and starts it again; milliseconds from then until it and every other have ways to all. */
  restart(number: number): Promise<number>;
  /** Ends all of them at once. */
  end(): Promise<void>;
}

/** The ID of a node of a {@link Mesh}, which is also its place in it. */
export const meshNodeId = (number: number): string => `node${number}`;

/**
 * Starts daemons all at once and waits until all know ways to all.
 * @param dials the node that each but the first one dials
 * @throws Error when they do not find one another
 */
export async function startMesh(
  program: Program,
  count: number,
  dials: (node: number) => number,
): Promise<Mesh> {
  const directory = await temporaryDirectory();
  const nodes: DaemonProcess[] = [];
  const end = async () => {
    await Promise.all(nodes.map((node) => node.kill()));
    await directory.remove();
  };
  const start = async (number: number, ports: readonly number[]) => {
    const id = meshNodeId(number);
    const place = join(directory.path, String(number));
    const peer = { address: `127.0.0.1:${ports[dials(number)]}` };
    nodes[number] = await startDaemon({
      directory: place,
      nodeId: id,
      program,
      allSections: [
        { node: { id, datadir: join(place, 'data') } },
        { 'log-level': { level: 'info' } },
        { 'tcp-listener': { bindaddr: '127.0.0.1', port: ports[number] } },
        ...(number === 0 ? [] : [{ 'tcp-peer': peer }]),
        { 'control-service': { service: 'control', filename: join(place, 'ctl.sock') } },
        ...SECTIONS,
      ],
    });
    return nodes[number];
  };
  try {
    const numbers = Array.from({ length: count }, (_, number) => number);
    const ports = await freePorts(count);
    for (const number of numbers) {
      const place = join(directory.path, String(number));
      await mkdir(place);
      await makeFinishedUnit(join(place, 'data', meshNodeId(number)));
    }
    const until = (which: readonly DaemonProcess[], enough: (known: number) => boolean) =>
      Promise.all(which.map(({ socket }) => untilKnown(socket, pollMs(count), enough)));
    const restart = async (number: number): Promise<number> => {
      await nodes[number]?.kill();
      const others = nodes.filter((_, other) => other !== number);
      await until(others, (known) => known < count - 1);
      const since = performance.now();
      await start(number, ports);
      await until(nodes, (known) => known === count - 1);
      return performance.now() - since;
    };
    const since = performance.now();
    await Promise.all(
      numbers.map(async (number) => {
        const { socket } = await start(number, ports);
        await untilKnown(socket, pollMs(count), (known) => known === count - 1);
      }),
    );
    return { nodes, settled: performance.now() - since, restart, end };
  } catch (error) {
    await end();
    throw error;
  }
}

/** Waits until a node has ways to enough others. */
async function untilKnown(socket: string, poll: number, enough: (known: number) => boolean): Promise<void> {
  const client = await RawClient.open(socket);
  try {
    for (const since = performance.now(); ; await delay(poll)) {
      const { RoutingTable } = JSON.parse(await client.command('status')) as {
        RoutingTable: Record<string, string> | null;
      };
      const known = Object.keys(RoutingTable ?? {}).length;
      if (enough(known)) return;
      if (performance.now() - since > PATIENCE_MS) throw new Error(`${socket} has ways to ${known} nodes`);
    }
  } finally {
    client.close();
  }
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => server.listening || once(server, 'listening')));
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
