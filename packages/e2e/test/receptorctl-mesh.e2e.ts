import { join } from 'node:path';
import {
  type DaemonProcess,
  goReceptor,
  type Program,
  receptor,
  receptorctl,
  run,
  startDaemon,
  temporaryDirectory,
} from '@receptor/e2e';
import { ReceptorClient } from '@receptor/protocol';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { freePort } from '../../../test/free-port.js';

const meshes: [string, Program | undefined, Program | undefined][] = [
  ['two of our nodes', receptor, receptor],
  ['our node and a Go node', receptor, goReceptor],
  ['a Go node and ours', goReceptor, receptor],
];

describe.each(meshes)('receptorctl in a mesh of %s', (_name, here, there) => {
  describe.skipIf(!here || !there)('(RECEPTOR_GO names the Go daemon)', () => {
    const directories: Awaited<ReturnType<typeof temporaryDirectory>>[] = [];
    const daemons: DaemonProcess[] = [];
    let socket = '';

    beforeAll(async () => {
      const port = await freePort();
      for (const [nodeId, program, link] of [
        ['foo', here, { 'tcp-listener': { port, bindaddr: '127.0.0.1' } }],
        ['bar', there, { 'tcp-peer': { address: `127.0.0.1:${port}`, redial: true } }],
      ] as const) {
        const directory = await temporaryDirectory();
        directories.push(directory);
        const sections = [
          { node: { id: nodeId, datadir: join(directory.path, 'data') } },
          link,
          { 'control-service': { service: 'control', filename: join(directory.path, 'ctl.sock') } },
          { 'work-command': { worktype: `on-${nodeId}`, command: 'cat' } },
        ];
        if (program === undefined) throw new Error('not reached: the tests are skipped');
        daemons.push(
          await startDaemon({ directory: directory.path, program, nodeId, allSections: sections }),
        );
      }
      socket = daemons[0]?.socket ?? '';
      const client = new ReceptorClient(socket);
      // The mesh is there when bar's work types are known here.
      await vi.waitUntil(
        async () => JSON.stringify((await client.status()).Advertisements).includes('on-bar'),
        { timeout: 30_000, interval: 100 },
      );
      client.close();
    });
    afterAll(async () => {
      for (const daemon of daemons) await daemon.kill();
      for (const directory of directories) await directory.remove();
    });

    const ctl = async (...args: string[]) => {
      const { code, stdout, stderr } = await run(receptorctl, ['--socket', socket, ...args]);
      const notices = stderr
        .toString()
        .replace(/^Warning: receptorctl and receptor are different versions.*\n/, '');
      return { code, stdout: stdout.toString(), stderr: notices };
    };

    test('ping', async () => {
      const { code, stdout, stderr } = await ctl('ping', 'bar', '--count', '3', '--delay', '0');
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      expect(stdout).toMatch(/^(Reply from bar in [0-9.]+(µs|ms|s)\n){3}$/);
      expect(await ctl('ping', 'nosuch', '--count', '1')).toEqual({
        code: 2,
        stdout: '',
        stderr: 'ERROR: no route to node\n',
      });
    });

    test('traceroute', async () => {
      const found = await ctl('traceroute', 'bar');
      expect(found).toMatchObject({ code: 0, stderr: '' });
      expect(found.stdout).toMatch(/^0: foo in \S+\n1: bar in \S+\n$/);
      const lost = await ctl('traceroute', 'nosuch');
      expect(lost.code).toBe(0);
      expect(lost.stdout).toMatch(/^0: foo in \S+\n$/);
      expect(lost.stderr).toMatch(/^ERROR: 1: Error no route to node from foo in \S+\n$/);
    });

    test('status', async () => {
      const { code, stdout } = await ctl('status');
      expect(code).toBe(0);
      expect(stdout).toContain('\nConnection   Cost\nbar          1\n');
      expect(stdout).toContain(
        '\nKnown Node   Known Connections\nbar          foo: 1 \nfoo          bar: 1 \n',
      );
      expect(stdout).toContain('\nRoute        Via\nbar          bar\n');
      expect(stdout).toMatch(/\nbar {10}control {3}Stream {5}\S+ \S+ {3}\{'type': 'Control Service'\}\n/);
      expect(stdout).toMatch(
        /\nNode {9}Work Types\n(bar {10}on-bar\nfoo {10}on-foo|foo {10}on-foo\nbar {10}on-bar)\n/,
      );
    });

    test('work list on another node', async () => {
      const through = new ReceptorClient(daemons[1]?.socket ?? '');
      const { unitid } = await through.submitWork({ workType: 'on-bar', payload: 'x' });
      through.close();
      expect(await ctl('work', 'list', '-q', '--node', 'bar')).toEqual({
        code: 0,
        stdout: `${unitid}\n`,
        stderr: '',
      });
      const one = await ctl('work', 'list', '--node', 'bar', '--unit_id', unitid);
      expect(JSON.parse(one.stdout)[unitid]).toMatchObject({ WorkType: 'on-bar' });
      const gone = await ctl('work', 'list', '--node', 'nosuch');
      expect(gone.code).toBe(1);
      expect(gone.stderr).toMatch(/^ERROR: ERROR: .*no route to node\n$/);
      const noTls = await ctl('work', 'list', '--node', 'bar', '--tls-client', 'nosuch');
      expect(noTls).toEqual({ code: 1, stdout: '', stderr: 'ERROR: ERROR: unknown TLS config nosuch\n' });
    });

    test('the library through one node to another, payload and results included', async () => {
      const client = new ReceptorClient(socket);
      const other = client.through('bar');
      expect(await other.connect()).toBe('bar');
      const payload = Buffer.from(Array.from({ length: 3_000_000 }, (_, i) => (i * 31 + (i >> 9)) % 256));
      const { unitid } = await other.submitWork({ workType: 'on-bar', payload });
      const output = Buffer.concat(await other.results(unitid, { startPos: 5 }).toArray());
      expect(output.equals(payload.subarray(5))).toBe(true);
      expect(await other.releaseWork(unitid)).toEqual({ released: unitid });
      await expect(other.workStatus(unitid)).rejects.toMatchObject({ code: 'RECEPTOR_UNKNOWN_UNIT' });
      client.close();
      await expect(other.status()).rejects.toMatchObject({ code: 'RECEPTOR_ABORTED' });
    });
  });
});
