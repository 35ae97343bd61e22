import { goReceptor, type Program, pythonReceptorctl, receptor, receptorctl, run } from '@receptor/e2e';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { freePort } from '../../../test/free-port.js';
import { hasRoutes, knowsServiceOf, Mesh, SKIPPED } from './support/mesh.js';
import { thereAndBack } from './support/transfer.js';

const SIZE = 32 * 1024 * 1024;

const LINES: [string, Program | undefined, Program | undefined][] = [
  ['three of ours', receptor, receptor],
  [`a Go node between two of ours${SKIPPED}`, receptor, goReceptor],
  [`one of ours between two Go nodes${SKIPPED}`, goReceptor, receptor],
];

describe.each(LINES)('a line of nodes: %s', { timeout: 240_000 }, (_, end, middle) => {
  let mesh: Mesh;
  beforeEach(async () => {
    mesh = await Mesh.create();
  });
  afterEach(() => mesh.close());

  test.skipIf(!end || !middle)('each end works on the other, whatever the client', async () => {
    const [tcp, ws] = [await freePort(), await freePort()];
    await mesh.start('middle', middle, [{ 'tcp-listener': { port: tcp } }, { 'ws-listener': { port: ws } }]);
    const left = await mesh.start('left', end, [{ 'tcp-peer': { address: `localhost:${tcp}` } }]);
    const right = await mesh.start('right', end, [{ 'ws-peer': { address: `ws://localhost:${ws}` } }]);
    const controls = [receptorctl, ...(pythonReceptorctl ? [pythonReceptorctl] : [])];
    for (const [near, { nodeId: far }] of [
      [left, right],
      [right, left],
    ] as const) {
      await hasRoutes(near, { middle: 'middle', [far]: 'middle' });
      await knowsServiceOf(near, 'middle', far);
      for (const control of controls) {
        const ctl = async (...args: string[]) => {
          const { code, stdout } = await run(control, ['--socket', near.daemon.socket, ...args]);
          return { code, stdout: stdout.toString() };
        };
        expect(await ctl('ping', far, '--count', '1')).toEqual({
          code: 0,
          stdout: expect.stringMatching(`^Reply from ${far} in [0-9.]+(µs|ms|s)\n$`),
        });
        const hops = (await ctl('traceroute', far)).stdout.replace(/ in .*/g, '');
        expect(hops).toBe(`0: ${near.nodeId}\n1: middle\n2: ${far}\n`);
        expect(await ctl('work', 'list', '--node', far)).toEqual({ code: 0, stdout: '{}\n' });
        const { stdout: status } = await ctl('status');
        expect(status).toMatch(new RegExp(`^${far} +middle$`, 'm'));
        expect(status).toMatch(new RegExp(`^${far} +cat$`, 'm'));
      }
      const { sent, received, bytes } = await thereAndBack(near.client.through(far), SIZE);
      expect(bytes).toBe(SIZE);
      expect(received).toBe(sent);
    }
  });
});
