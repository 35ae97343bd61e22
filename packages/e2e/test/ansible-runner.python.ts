import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { goReceptor, type Program, pythonReceptorctl, receptor, receptorctl, run } from '@receptor/e2e';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePort } from '../../../test/free-port.js';
import { installAnsible } from './support/ansible.js';
import { hasRoutes, knowsServiceOf, Mesh, type MeshNode, SKIPPED } from './support/mesh.js';

const PLAYBOOK = `
- hosts: all
  gather_facts: false
  tasks:
    - name: greet
      debug: {msg: "greetings to {{ inventory_hostname }} with {{ sent }}"}
    - name: write
      copy: {content: "{{ sent }}", dest: "{{ place }}"}
`;
const FAILING = `
- hosts: all
  gather_facts: false
  tasks:
    - name: stop
      fail: {msg: "on purpose"}
`;

const MESHES: [string, Program | undefined, Program | undefined][] = [
  ['our node by way of another of ours', receptor, receptor],
  [`our node by way of a Go node${SKIPPED}`, goReceptor, receptor],
  [`a Go node by way of ours${SKIPPED}`, receptor, goReceptor],
];
const CONTROLS: [string, Program | undefined][] = [
  ['our receptorctl', receptorctl],
  ['the Python receptorctl', pythonReceptorctl],
];

describe('a job of ansible-runner', { timeout: 240_000 }, () => {
  let installed: Awaited<ReturnType<typeof installAnsible>>;
  beforeAll(async () => {
    installed = await installAnsible();
  }, 600_000);

  describe.each(MESHES)('done by %s', (_, nearProgram, farProgram) => {
    describe.skipIf(!nearProgram || !farProgram)('', () => {
      let mesh: Mesh;
      let near: MeshNode;
      beforeAll(async () => {
        if ('missing' in installed) return;
        mesh = await Mesh.create();
        const port = await freePort();
        const runner = {
          'work-command': {
            worktype: 'ansible-runner',
            command: 'env',
            params: `PATH=${installed.bin}:${process.env.PATH} ansible-runner worker`,
          },
        };
        await mesh.start('far', farProgram, [runner, { 'tcp-listener': { port } }]);
        near = await mesh.start('near', nearProgram, [{ 'tcp-peer': { address: `localhost:${port}` } }]);
        await hasRoutes(near, { far: 'far' });
        await knowsServiceOf(near, 'far');
      });
      afterAll(() => mesh?.close());

      describe.each(CONTROLS)('with %s', (name, control) => {
        test.skipIf(!control).for([
          ['that succeeds', PLAYBOOK, 'successful', 0],
          ['that fails', FAILING, 'failed', 2],
        ] as const)('%s', async ([what, playbook, status, rc], { skip }) => {
          if ('missing' in installed) return skip(`ansible-runner cannot be installed: ${installed.missing}`);
          const { bin } = installed;
          const directory = mesh.file(`${name}-${what}`.replaceAll(' ', '-'));
          const written = join(directory, 'written');
          for (const each of ['project', 'inventory', 'env'])
            await mkdir(join(directory, 'job', each), { recursive: true });
          await writeFile(join(directory, 'job/project/play.yml'), playbook);
          await writeFile(
            join(directory, 'job/inventory/hosts'),
            `localhost ansible_connection=local ansible_python_interpreter=${bin}/python\n`,
          );
          await writeFile(
            join(directory, 'job/env/extravars'),
            JSON.stringify({ sent: 'good wishes', place: written }),
          );
          const quoted = [control?.command ?? '', ...(control?.prefix ?? [])]
            .map((word) => `'${word}'`)
            .join(' ');
          const pipe = [
            `ansible-runner transmit '${directory}/job' -p play.yml`,
            `${quoted} --socket '${near.daemon.socket}' work submit --node far --payload - -f ansible-runner`,
            `ansible-runner process '${directory}/out'`,
          ].join(' | ');
          const { code, stdout, stderr } = await run(
            { command: 'bash', prefix: ['-c', `set -o pipefail; ${pipe}`] },
            [],
            { env: { PATH: `${bin}:${process.env.PATH}` } },
          );
          // `ansible-runner worker` ends as the job did, and receptorctl as the unit did.
          expect({ code, stdout: stdout.toString(), stderr: stderr.toString() }).toMatchObject({
            code: rc === 0 ? 0 : 1,
          });
          const artifacts = join(directory, 'out/artifacts');
          const artifact = (file: string) => readFile(join(artifacts, file), 'utf8');
          expect(await artifact('status')).toBe(status);
          expect(await artifact('rc')).toBe(String(rc));
          const said = status === 'failed' ? 'on purpose' : 'greetings to localhost with good wishes';
          expect(await artifact('stdout')).toContain(said);
          expect(stdout.toString()).toContain(said);
          expect((await readdir(join(artifacts, 'job_events'))).length).toBeGreaterThan(4);
          if (status === 'successful') expect(await readFile(written, 'utf8')).toBe('good wishes');
          const units = Object.entries(await near.client.workList());
          expect(units.map(([, { StateName }]) => StateName)).toEqual([rc === 0 ? 'Succeeded' : 'Failed']);
          for (const [id] of units) await near.client.releaseWork(id);
        });
      });
    });
  });
});
