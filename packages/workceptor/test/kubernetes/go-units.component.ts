import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { podOf, submitFrom, useBench } from '../support/kubernetes.js';
import { completed, output, running, until } from '../support/node.js';

const bench = useBench();

/** What a Go daemon leaves of a unit that it has started: its status, and here a pod of its making. */
async function goUnit(
  id: string,
  status: { State: number; Detail: string; stdout?: string },
  script: string,
) {
  const node = await bench.open({ workType: 'maker' });
  const submission = await node.allocate({
    workType: 'maker',
    parameters: {
      secret_kube_config: bench.cluster.kubeconfig(),
      secret_kube_pod: podOf(script, {}, { terminationGracePeriodSeconds: 0 }),
    },
    origin: 'unix',
  });
  await submission.receive((async function* () {})());
  await submission.start();
  await until(async () => (await node.status(submission.id)).State > 0);
  const { PodName: name } = (await node.status(submission.id)).ExtraData as { PodName: string };
  const pod = bench.cluster.pod(name)?.pod;
  // The Go daemon labels nothing.
  if (pod) pod.metadata.labels = {};
  const made = JSON.parse(readFileSync(bench.file(submission.id, 'status'), 'utf8')).ExtraData;
  await bench.close(node);
  mkdirSync(bench.file(id, ''), { recursive: true, mode: 0o700 });
  const { Image, Command, Params, KubeNamespace, KubeConfig, KubePod, PodName } = made;
  const ExtraData = { Image, Command, Params, KubeNamespace, KubeConfig, KubePod, PodName };
  const { stdout = '', State, Detail } = status;
  writeFileSync(bench.file(id, 'stdin'), '');
  writeFileSync(bench.file(id, 'stdout'), stdout);
  writeFileSync(bench.file(id, 'status.lock'), '');
  writeFileSync(
    bench.file(id, 'status'),
    `${JSON.stringify({ State, Detail, StdoutSize: stdout.length, WorkType: 'kubeit', ExtraData })}\n`,
  );
  return PodName as string;
}

describe('a unit of a Go daemon', () => {
  it('that is Running is gone on with; its output is whole', async () => {
    await goUnit(
      'GoUnit01',
      { State: 1, Detail: 'Pod Running', stdout: 'first\n' },
      'echo first; echo second; sleep 1; echo third',
    );
    const node = await bench.open();
    expect(await completed(node, 'GoUnit01')).toMatchObject({ StateName: 'Succeeded', Detail: 'Finished' });
    expect(await output(node, 'GoUnit01')).toBe('first\nsecond\nthird\n');
  });

  it.each([
    [true, 'deleted'],
    [false, 'left'],
  ])(
    'that is Pending cannot be gone on with; with deletepodonrestart %s its pod is %s',
    async (deletePodOnRestart) => {
      const pod = await goUnit('GoUnit02', { State: 0, Detail: 'Pod created' }, 'sleep 600');
      const node = await bench.open({ deletePodOnRestart });
      expect(await completed(node, 'GoUnit02')).toMatchObject({
        StateName: 'Failed',
        Detail: 'Failed to restart: work unit is not in running state, cannot be restarted',
      });
      if (deletePodOnRestart) await until(() => !bench.cluster.pod(pod));
      else expect(bench.cluster.pod(pod)?.pod?.metadata.deletionTimestamp).toBeUndefined();
    },
  );

  it('that is complete keeps its state, and takes its pod along when it is released', async () => {
    const pod = await goUnit('GoUnit03', { State: 2, Detail: 'Finished' }, 'sleep 600');
    const node = await bench.open();
    expect(await node.status('GoUnit03')).toMatchObject({ StateName: 'Succeeded', Detail: 'Finished' });
    await node.release('GoUnit03');
    await until(() => !bench.cluster.pod(pod));
  });

  it('whose pod is gone fails with that', async () => {
    const pod = await goUnit('GoUnit04', { State: 1, Detail: 'Pod Running' }, 'sleep 600');
    await bench.cluster.pod(pod)?.delete(0);
    const node = await bench.open();
    expect(await completed(node, 'GoUnit04')).toMatchObject({
      StateName: 'Failed',
      Detail: `Error getting pod default/${pod}. Error: pods "${pod}" not found`,
    });
  });
});

it('a unit whose pod had not yet been created at a restart gets it then', async () => {
  const first = await bench.open();
  bench.cluster.faults.add('create', { silent: true });
  const id = await submitFrom('unix', first, {
    secret_kube_config: bench.cluster.kubeconfig(),
    secret_kube_pod: podOf('echo late'),
  });
  await until(() => bench.cluster.requests.at(-1)?.operation === 'create');
  bench.cluster.faults.clear();
  bench.cluster.dropConnections();
  await bench.close(first);
  const second = await bench.open();
  expect(await completed(second, id)).toMatchObject({ Detail: 'Finished' });
  expect(await output(second, id)).toBe('late\n');
});

it('a unit that runs is taken up by the next process, with the pod and the output it has', async () => {
  const first = await bench.open();
  const id = await bench.submit(
    first,
    { secret_kube_pod: podOf('read line; echo "$line"; sleep 1; echo end') },
    'once\n',
  );
  await running(first, id);
  await until(async () => (await first.status(id)).StdoutSize > 0);
  await bench.close(first);
  const second = await bench.open();
  expect(await completed(second, id)).toMatchObject({ Detail: 'Finished' });
  expect(await output(second, id)).toBe('once\nend\n');
});
