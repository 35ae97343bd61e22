import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import {
  type DaemonProcess,
  goReceptor,
  type Program,
  pythonReceptorctl,
  receptor,
  receptorctl,
  run,
  startDaemon,
  temporaryDirectory,
} from '@receptor/e2e';
import { ReceptorClient } from '@receptor/protocol';
import { afterEach, describe, expect, test, vi } from 'vitest';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function freePort(): Promise<number> {
  const server = createServer();
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Starts left, middle and right: the left over TCP, the right over WebSocket. */
async function startLine(
  end: Program,
  middle: Program,
): Promise<{ left: DaemonProcess; right: DaemonProcess }> {
  const directory = await temporaryDirectory();
  cleanups.push(() => directory.remove());
  const [tcp, ws] = [await freePort(), await freePort()];
  const start = async (nodeId: string, program: Program, ...sections: unknown[]) => {
    const place = join(directory.path, nodeId);
    await mkdir(place);
    const work = { 'work-command': { worktype: 'cat', command: 'cat' } };
    const daemon = await startDaemon({ directory: place, nodeId, program, sections: [work, ...sections] });
    cleanups.push(() => daemon.stop());
    return daemon;
  };
  await start('middle', middle, { 'tcp-listener': { port: tcp } }, { 'ws-listener': { port: ws } });
  const left = await start('left', end, { 'tcp-peer': { address: `localhost:${tcp}` } });
  const right = await start('right', end, { 'ws-peer': { address: `ws://localhost:${ws}` } });
  return { left, right };
}

const LINES: [string, Program | undefined, Program | undefined][] = [
  ['three of ours', receptor, receptor],
  ['a Go node between two of ours', receptor, goReceptor],
  ['one of ours between two Go nodes', goReceptor, receptor],
];

describe.each(LINES)('a line of nodes: %s', { timeout: 240_000 }, (_, end, middle) => {
  test.skipIf(!end || !middle)('each end works on the other, whatever the client', async () => {
    if (!end || !middle) throw new Error('not reached: the test is skipped');
    const { left, right } = await startLine(end, middle);
    const controls = [receptorctl, ...(pythonReceptorctl ? [pythonReceptorctl] : [])];
    for (const [near, own, far] of [
      [left, 'left', 'right'],
      [right, 'right', 'left'],
    ] as const) {
      const client = new ReceptorClient(near.socket);
      cleanups.push(async () => client.close());
      await vi.waitFor(
        async () => {
          const { RoutingTable, Advertisements } = await client.status();
          expect(RoutingTable).toEqual({ middle: 'middle', [far]: 'middle' });
          expect(Advertisements?.map(({ NodeID }) => NodeID)).toContain(far);
        },
        // A Go node tells a new neighbour of the services of others within a minute.
        { timeout: 90_000, interval: 100 },
      );
      for (const control of controls) {
        const ctl = async (...args: string[]) => {
          const { code, stdout } = await run(control, ['--socket', near.socket, ...args]);
          return { code, stdout: stdout.toString() };
        };
        expect(await ctl('ping', far, '--count', '1')).toEqual({
          code: 0,
          stdout: expect.stringMatching(`^Reply from ${far} in [0-9.]+(µs|ms|s)\n$`),
        });
        const hops = (await ctl('traceroute', far)).stdout.replace(/ in .*/g, '');
        expect(hops).toBe(`0: ${own}\n1: middle\n2: ${far}\n`);
        expect(await ctl('work', 'list', '--node', far)).toEqual({ code: 0, stdout: '{}\n' });
        const { stdout: status } = await ctl('status');
        expect(status).toMatch(new RegExp(`^${far} +middle$`, 'm'));
        expect(status).toMatch(new RegExp(`^${far} +cat$`, 'm'));
      }

      const through = new ReceptorClient(() => client.connectService(far, 'control'));
      cleanups.push(async () => through.close());
      const payload = randomBytes(2 * 1024 * 1024);
      const { unitid } = await through.submitWork({ workType: 'cat', payload });
      const hash = createHash('sha256');
      for await (const chunk of through.results(unitid)) hash.update(chunk);
      expect(hash.digest('hex')).toBe(createHash('sha256').update(payload).digest('hex'));
      await through.releaseWork(unitid);
    }
  });
});
