import { readFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { type DaemonProcess, receptorctl, run, startDaemon, temporaryDirectory } from '@receptor/e2e';
import { WorkState } from '@receptor/protocol';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { ECHO_TYPE, echo } from './support/echo.js';
import { followGuide, GUIDE_POD } from './support/guide.js';
import { asServiceAccount } from './support/in-cluster.js';

const kubeconfig = process.env.KUBECONFIG ?? '';
const fewRights = process.env.RECEPTOR_TEST_FEW_RIGHTS_KUBECONFIG ?? '';
const isRoot = process.getuid?.() === 0;

describe.skipIf(!kubeconfig)('ways to work with a real cluster', () => {
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
  let daemon: DaemonProcess | undefined;

  beforeEach(async () => {
    directory = await temporaryDirectory();
  });

  afterEach(async () => {
    await daemon?.stop();
    daemon = undefined;
    await directory.remove();
  });

  test.skipIf(!fewRights || !isRoot)(
    'authmethod incluster: by the files of a service account (needs root, to mount them)',
    async () => {
      const section = {
        worktype: 'kubeit',
        authmethod: 'incluster',
        namespace: 'default',
        allowruntimepod: true,
      };
      const view = await asServiceAccount(fewRights, directory.path);
      daemon = await startDaemon({
        directory: directory.path,
        sections: [{ 'work-kubernetes': section }],
        ...view,
      });
      const guide = await followGuide(daemon.socket, [`secret_kube_pod=@${GUIDE_POD}`]);
      expect(guide.results).toBe('The Pod is running\n');
      expect(guide.unit).toMatchObject({ State: WorkState.Succeeded, Detail: 'Finished' });
      expect(guide.unit.ExtraData).toMatchObject({ KubeNamespace: 'default' });
    },
  );

  test('a payload of 100 MB comes back whole, and takes less than 64 MiB of memory', async () => {
    daemon = await startDaemon({ directory: directory.path, sections: [ECHO_TYPE] });
    const secret_kube_config = await readFile(kubeconfig, 'utf8');
    const { unitId, unit, identical, grewBy } = await echo(daemon, 100_000_000, { secret_kube_config });
    expect(unit).toMatchObject({ State: WorkState.Succeeded, StdoutSize: 100_000_000 });
    expect(identical).toBe(true);
    expect(grewBy).toBeLessThan(64 * 2 ** 20);
    await run(receptorctl, ['--socket', daemon.socket, 'work', 'release', unitId]);
  });

  test('a worker that leaves most of its payload unread has its output, and has ended well', async () => {
    daemon = await startDaemon({ directory: directory.path, sections: [ECHO_TYPE] });
    const secret_kube_config = await readFile(kubeconfig, 'utf8');
    const parameters = { secret_kube_config, kube_command: 'head -c 10' };
    // The API server resets the connection behind its last words, so that each time is another.
    for (let round = 0; round < 5; round++) {
      const { unitId, unit } = await echo(daemon, 20_000_000, parameters);
      expect(unit).toMatchObject({ State: WorkState.Succeeded, Detail: 'Finished', StdoutSize: 10 });
      expect(unit.ExtraData).toMatchObject({ ExitCode: 0, Gaps: [] });
      await run(receptorctl, ['--socket', daemon.socket, 'work', 'release', unitId]);
    }
  });

  const reachable = Object.values(networkInterfaces())
    .flat()
    .some((each) => each && !each.internal);
  test.skipIf(!reachable)('streammethod tcp: the worker calls back', async () => {
    const section = {
      worktype: 'kubeit',
      authmethod: 'runtime',
      streammethod: 'tcp',
      allowruntimeauth: true,
      allowruntimepod: true,
    };
    daemon = await startDaemon({
      directory: directory.path,
      sections: [{ 'work-kubernetes': section }],
    });
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { generateName: 'receptor-e2e-' },
      spec: {
        restartPolicy: 'Never',
        // The pod's network may lead nowhere; its node's leads to us where we are the node.
        hostNetwork: true,
        containers: [
          {
            name: 'worker',
            image: 'busybox',
            command: ['sh', '-c', 'exec nc $RECEPTOR_HOST $RECEPTOR_PORT -e sh -c "cat; echo end"'],
          },
        ],
      },
    };
    const outcome = await run(
      receptorctl,
      [
        ...['--socket', daemon.socket, 'work', 'submit', 'kubeit', '--payload', '-', '--follow', '--rm'],
        ...['--param', `secret_kube_config=@${kubeconfig}`, '--param', `secret_kube_pod=${stringify(pod)}`],
      ],
      { input: 'a payload\n' },
    );
    expect(outcome.stderr.toString()).toBe('');
    expect(outcome.stdout.toString()).toMatch(/^a payload\nend\n\(\w{8}, released\)\n$/);
  });
});
