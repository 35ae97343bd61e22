import { randomBytes } from 'node:crypto';
import { goReceptor, type Program, pythonReceptorctl, receptor, run } from '@receptor/e2e';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { freePort } from '../../../test/free-port.js';
import { Authority } from '../../netceptor/test/certificates.js';
import { hasRoutes, knowsServiceOf, Mesh, type MeshNode, SKIPPED } from './support/mesh.js';

const WORK = [
  { 'work-command': { worktype: 'echo', command: 'echo', params: 'fixed', allowruntimeparams: true } },
  { 'work-command': { worktype: 'fail', command: 'sh', params: `-c "exit 7"` } },
  { 'work-command': { worktype: 'endless', command: 'sleep', params: '300' } },
];

const MESHES: [string, Program | undefined, Program | undefined, string][] = [];
for (const tls of ['', 'cli'])
  MESHES.push(
    [`our node by way of a Go node${SKIPPED}`, goReceptor, receptor, tls],
    [`a Go node by way of ours${SKIPPED}`, receptor, goReceptor, tls],
    ['our node by way of another of ours', receptor, receptor, tls],
  );

describe.each(MESHES)('the Python receptorctl reaches %s', (_, nearProgram, farProgram, tls) => {
  describe.skipIf(!pythonReceptorctl || !nearProgram || !farProgram)(tls ? 'with TLS' : 'without TLS', () => {
    let mesh: Mesh;
    let near: MeshNode;
    /** Options that name the TLS client of the near node. */
    const TLS = tls ? ['--tls-client', tls] : [];

    beforeAll(async () => {
      mesh = await Mesh.create();
      const authority = await Authority.create();
      const ca = await mesh.write('ca.crt', authority.pem);
      const pair = async (nodeId: string) => {
        const { cert, key } = await authority.sign({ nodeIds: [nodeId], algorithm: 'rsa' });
        return {
          cert: await mesh.write(`${nodeId}.crt`, cert),
          key: await mesh.write(`${nodeId}.key`, key),
        };
      };
      const port = await freePort();
      await mesh.start(
        'far',
        farProgram,
        [
          { 'tls-server': { name: 'srv', ...(await pair('far')), requireclientcert: true, clientcas: ca } },
          ...WORK,
          { 'tcp-listener': { port } },
        ],
        {},
        tls ? { tls: 'srv' } : {},
      );
      near = await mesh.start('near', nearProgram, [
        { 'tls-client': { name: 'cli', ...(await pair('near')), rootcas: ca } },
        { 'tcp-peer': { address: `localhost:${port}` } },
      ]);
      await hasRoutes(near, { far: 'far' });
      await knowsServiceOf(near, 'far');
    });
    afterAll(() => mesh.close());

    const ctl = async (args: string[], input?: Buffer) => {
      if (!pythonReceptorctl) throw new Error('not reached: the tests are skipped');
      const options = ['--socket', near.daemon.socket];
      const { code, stdout, stderr } = await run(
        pythonReceptorctl,
        [...options, ...args],
        input ? { input } : {},
      );
      return { code, stdout, text: stdout.toString(), stderr: stderr.toString() };
    };
    const submit = async (...args: string[]) => {
      const { text } = await ctl(['work', 'submit', '--node', 'far', ...TLS, ...args]);
      return (
        /^Result: Job (?:Started|Submitted)\nUnit ID: ([0-9a-zA-Z]{8})\n$/.exec(text)?.[1] ??
        `no unit: ${text}`
      );
    };
    /** What `work list` shows of a unit here. */
    const listed = async (id: string) => JSON.parse((await ctl(['work', 'list', '--unit_id', id])).text)[id];
    const become = (id: string, state: string) =>
      vi.waitFor(async () => expect(await listed(id)).toMatchObject({ StateName: state }), {
        timeout: 30_000,
        interval: 300,
      });
    const unitsThere = async () =>
      Object.keys(JSON.parse((await ctl(['work', 'list', '--node', 'far', ...TLS])).text));

    test('status', async () => {
      const { code, text } = await ctl(['status']);
      expect(code).toBe(0);
      expect(text).toMatch(/^Node ID: near\n/);
      expect(text).toMatch(/\nConnection {3}Cost\nfar {10}1\n/);
      expect(text).toMatch(/\nRoute {8}Via\nfar {10}far\n/);
      expect(text).toMatch(
        new RegExp(
          `\nfar {10}control {3}${tls ? 'StreamTLS' : 'Stream   '} +\\S+ \\S+ +{'type': 'Control Service'}\n`,
        ),
      );
      expect(text).toMatch(/\nfar {10}cat, echo, fail, endless\n/);
      const json = JSON.parse((await ctl(['status', '--json'])).text);
      expect(json).toMatchObject({ NodeID: 'near', RoutingTable: { far: 'far' } });
    });

    test('ping and traceroute', async () => {
      expect(await ctl(['ping', 'far', '--count', '2', '--delay', '0'])).toMatchObject({
        code: 0,
        text: expect.stringMatching(/^(Reply from far in [0-9.]+(µs|ms|s)\n){2}$/),
      });
      expect(await ctl(['ping', 'nosuch', '--count', '1'])).toMatchObject({
        code: 2,
        stderr: expect.stringMatching(/ERROR: no route to node\n$/),
      });
      const { code, text } = await ctl(['traceroute', 'far']);
      expect({ code, text: text.replaceAll(/ in \S+/g, '') }).toEqual({ code: 0, text: '0: near\n1: far\n' });
    });

    test('version', async () => {
      const { code, text } = await ctl(['version']);
      expect(code).toBe(0);
      expect(text).toMatch(/^receptorctl {2}\S+\nreceptor {5}\S*\n$/);
    });

    test('connect', async () => {
      if (!pythonReceptorctl) throw new Error('not reached: the tests are skipped');
      const { command, prefix } = pythonReceptorctl;
      const line = [command, ...prefix, '--socket', near.daemon.socket, 'connect', 'far', 'control', ...TLS];
      // It wants a terminal, ends with its input, and more often than not loses what the service said first, with Go nodes too.
      const { stdout } = await run(
        {
          command: 'sh',
          prefix: ['-c', `(sleep 3; echo status; sleep 3) | script -qefc '${line.join(' ')}' /dev/null`],
        },
        [],
      );
      expect(stdout.toString()).toContain('"NodeID":"far"');
    });

    test('work submit --follow --rm, with parameters and time to live', async () => {
      const { code, text } = await ctl([
        ...['work', 'submit', '--node', 'far', ...TLS, 'echo', '-n', '-f', '--rm', '--ttl', '1h'],
        ...['--param', 'params=one', 'two'],
      ]);
      expect(text).toMatch(/^fixed one two\n\([0-9a-zA-Z]{8}, released\)\n$/);
      expect(code).toBe(0);
      expect(await unitsThere()).toEqual([]);
    });

    test('work submit of binary data, work results, work list, work release', async () => {
      const payload = randomBytes(3_000_000);
      const { text } = await ctl(
        ['work', 'submit', '--node', 'far', ...TLS, 'cat', '--payload', '-'],
        payload,
      );
      const id = /Unit ID: (\w{8})\n/.exec(text)?.[1] ?? '';
      const { code, stdout } = await ctl(['work', 'results', id]);
      expect({ code, identical: stdout.equals(payload) }).toEqual({ code: 0, identical: true });
      expect(await listed(id)).toMatchObject({
        State: 2,
        StateName: 'Succeeded',
        Detail: 'exit status 0',
        StdoutSize: payload.length,
        WorkType: 'remote',
        ExtraData: { RemoteNode: 'far', RemoteWorkType: 'cat', RemoteStarted: true },
      });
      const { ExtraData } = await listed(id);
      expect(await unitsThere()).toEqual([ExtraData.RemoteUnitID]);
      expect(await ctl(['work', 'list', '-q'])).toMatchObject({ text: `${id}\n` });
      expect(await ctl(['work', 'release', id])).toMatchObject({
        code: 0,
        text: `Released:\n(${id}, released)\n`,
      });
      expect(await unitsThere()).toEqual([]);
      expect((await ctl(['work', 'list'])).text).toBe('{}\n');
    });

    test('a unit that fails', async () => {
      const { code, stderr } = await ctl([
        'work',
        'submit',
        '--node',
        'far',
        ...TLS,
        'fail',
        '-n',
        '-f',
        '--rm',
      ]);
      expect(stderr).toContain('Remote unit failed: exit status 7');
      expect(code).toBe(1);
    });

    test('work cancel, and release of all that is left', async () => {
      const id = await submit('endless', '-n');
      await become(id, 'Running');
      expect(await ctl(['work', 'cancel', id])).toMatchObject({
        code: 0,
        text: expect.stringMatching(`^Cancelled:\n\\(${id}, cancel(led| pending)\\)\n$`),
      });
      await become(id, 'Canceled');
      const other = await submit('cat', '-l', 'x');
      expect((await ctl(['work', 'release', '--all'])).text.split('\n').sort()).toEqual(
        ['', 'Released:', `(${id}, released)`, `(${other}, released)`].sort(),
      );
      await vi.waitFor(async () => expect(await unitsThere()).toEqual([]), {
        timeout: 20_000,
        interval: 500,
      });
    });

    test('work release --force of a unit that runs', async () => {
      const id = await submit('endless', '-n');
      await become(id, 'Running');
      expect(await ctl(['work', 'release', '--force', id])).toMatchObject({
        code: 0,
        text: `Released:\n(${id}, released)\n`,
      });
      expect((await ctl(['work', 'list', '-q'])).text).not.toContain(id);
    });

    test('what is refused', async () => {
      expect(await ctl(['work', 'list', '--node', 'nosuch'])).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('no route to node'),
      });
      expect(await ctl(['work', 'list', '--node', 'far', '--tls-client', 'nosuch'])).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('unknown TLS config nosuch'),
      });
      expect(
        await ctl(['work', 'submit', '--node', 'far', '--tls-client', 'nosuch', 'cat', '-n']),
      ).toMatchObject({
        code: 101,
        stderr: expect.stringContaining('unknown TLS config nosuch'),
      });
      expect(
        await ctl(['work', 'submit', '--node', 'far', 'cat', '-n', '--param', 'secret_x=y']),
      ).toMatchObject({
        code: 101,
        stderr: expect.stringContaining('cannot send secrets over a non-TLS connection'),
      });
      expect(await ctl(['work', 'results', 'nosuch12'])).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('unknown work unit nosuch12'),
      });
    });

    test('reload, after which the mesh is as before', async () => {
      expect(await ctl(['reload'])).toMatchObject({ code: 0, text: 'Reload successful\n' });
      await hasRoutes(near, { far: 'far' });
      expect(await ctl(['ping', 'far', '--count', '1'])).toMatchObject({ code: 0 });
    });
  });
});
