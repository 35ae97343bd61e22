import { existsSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { refuse } from '@receptor/kubernetes-simulator';
import { afterEach, describe, expect, it } from 'vitest';
import { extraOf, podOf, submitFrom, useBench } from '../support/kubernetes.js';
import { completed, running, until } from '../support/node.js';

const bench = useBench({ namespaces: ['elsewhere'] });
const SLEEPER = podOf('echo up; sleep 600', {}, { terminationGracePeriodSeconds: 1 });
const leftovers = () => join(bench.dataDir, 'foo', '.leftovers');

afterEach(() => bench.cluster.startListening());

/** A unit whose pod runs, and the pod's name. */
async function runningUnit(node: Awaited<ReturnType<typeof bench.open>>) {
  const id = await bench.submit(node, { secret_kube_pod: SLEEPER });
  await running(node, id);
  return { id, pod: (await extraOf(node, id)).PodName };
}
const podGone = (name: string) => until(() => !bench.cluster.pod(name));

describe('a pod whose unit is released while the API is away', () => {
  it('is deleted when the API is back', async () => {
    const node = await bench.open();
    const { id, pod } = await runningUnit(node);
    await bench.cluster.stopListening();
    await node.release(id);
    expect(node.list()).toEqual({});
    expect(existsSync(bench.file(id, ''))).toBe(false);
    expect(statSync(leftovers()).mode & 0o777).toBe(0o700);
    expect(statSync(join(leftovers(), id)).mode & 0o777).toBe(0o600);
    expect(bench.logged.join('\n')).toMatch(`Error deleting pod ${pod}: `);
    await bench.cluster.startListening();
    await podGone(pod);
    await until(() => !existsSync(leftovers()));
    expect(bench.logged.at(-1)).toBe(`info Deleted pod default/${pod}, which unit ${id} had left`);
  });

  it('is deleted by the next process, with the kubeconfig of the submit', async () => {
    const first = await bench.open();
    const { id, pod } = await runningUnit(first);
    await bench.cluster.stopListening();
    await first.release(id);
    await bench.close(first);
    expect(readdirSync(leftovers())).toEqual([id]);
    await bench.cluster.startListening();
    expect(bench.cluster.pod(pod)).toBeDefined();
    const second = await bench.open();
    expect(second.list()).toEqual({});
    await podGone(pod);
    await until(() => !existsSync(leftovers()));
  });

  it('is no unit to anybody', async () => {
    const first = await bench.open();
    const { id } = await runningUnit(first);
    await bench.cluster.stopListening();
    await first.release(id);
    await bench.close(first);
    const second = await bench.open();
    await expect(second.status(id)).rejects.toThrow(`unknown work unit ${id}`);
    expect(bench.logged.filter((line) => line.includes('Error locating'))).toEqual([
      `error Error locating unit: ${id}`,
    ]);
  });
});

it('the pod of a unit that is cancelled while the API is away is deleted later, also by the next process', async () => {
  const first = await bench.open();
  const { id, pod } = await runningUnit(first);
  await bench.cluster.stopListening();
  await first.cancel(id);
  expect(await first.status(id)).toMatchObject({ StateName: 'Canceled', Detail: 'Canceled' });
  await bench.close(first);
  await bench.cluster.startListening();
  const second = await bench.open();
  await podGone(pod);
  expect(await second.status(id)).toMatchObject({ StateName: 'Canceled' });
});

it('a unit that was complete at a restart takes its pod along when it is released', async () => {
  const first = await bench.open();
  const id = await bench.submit(first, { secret_kube_pod: podOf('true') });
  await completed(first, id);
  const { PodName } = await extraOf(first, id);
  await bench.close(first);
  const second = await bench.open();
  expect(bench.cluster.pod(PodName)).toBeDefined();
  await second.release(id);
  await podGone(PodName);
});

it('a deletion that is refused is tried again, then given up in the log with what to do', async () => {
  const node = await bench.open();
  const { id, pod } = await runningUnit(node);
  const refusal = bench.cluster.faults.add('delete', { refuse: refuse.with(403, 'Forbidden', 'not now') });
  await node.release(id);
  expect(bench.logged.join('\n')).toMatch(`Error deleting pod ${pod}: not now. It will be tried again`);
  refusal();
  await podGone(pod);
});

it('a pod that has come to the name of a deleted one is left alone', async () => {
  const node = await bench.open();
  const { id, pod } = await runningUnit(node);
  const uid = bench.cluster.pod(pod)?.uid;
  await bench.cluster.stopListening();
  await node.release(id);
  await bench.cluster.pod(pod)?.delete(0);
  await bench.cluster.startListening();
  const other = await bench.open({ workType: 'other' });
  expect(uid).toBeDefined();
  await until(() => !existsSync(leftovers()));
  expect(other.list()).toEqual({});
});

describe('orphan pods', () => {
  /** A pod whose unit's directory has vanished under the node's feet. */
  async function orphan(parameters: Record<string, string> = {}) {
    const node = await bench.open();
    const id = await submitFrom('unix', node, {
      secret_kube_config: bench.cluster.kubeconfig(),
      secret_kube_pod: SLEEPER,
      ...parameters,
    });
    await running(node, id);
    const { PodName, KubeNamespace } = await extraOf(node, id);
    await bench.close(node);
    rmSync(bench.file(id, ''), { recursive: true });
    const kubeConfig = join(bench.dataDir, 'kubeconfig');
    writeFileSync(kubeConfig, bench.cluster.kubeconfig());
    return { id, pod: PodName, namespace: KubeNamespace, kubeConfig };
  }
  const loggedAbout = (text: string) =>
    until(() => bench.logged.find((line) => line.includes(text) && !line.startsWith('debug Unit')));

  it('are reported at the start', async () => {
    const { id, pod, kubeConfig } = await orphan();
    await bench.open({ kubeConfig });
    expect(await loggedAbout(`default/${pod}`)).toBe(
      `warning Pod default/${pod} belongs to unit ${id}, which does not exist any more`,
    );
    expect(bench.cluster.pod(pod)).toBeDefined();
  });

  it('are deleted where the configuration says so', async () => {
    const { id, pod, kubeConfig } = await orphan();
    await bench.open({ kubeConfig, deleteOrphanPods: true });
    expect(await loggedAbout(`default/${pod}`)).toBe(
      `warning Deleted pod default/${pod} of unit ${id}, which does not exist any more`,
    );
    await podGone(pod);
  });

  it('are looked for in the configured namespace', async () => {
    const { pod, kubeConfig } = await orphan({ kube_namespace: 'elsewhere' });
    await bench.open({ kubeConfig, namespace: 'elsewhere', deleteOrphanPods: true });
    await until(() => !bench.cluster.pod(pod, 'elsewhere'));
  });

  it('are not the pods of units that exist, nor those of other nodes and work types', async () => {
    const { pod, kubeConfig } = await orphan();
    const { labels } = bench.cluster.pod(pod)?.pod?.metadata ?? {};
    const node = await bench.open();
    const alive = await runningUnit(node);
    await bench.close(node);
    const other = await bench.open({ kubeConfig, workType: 'other', deleteOrphanPods: true });
    await until(() => bench.cluster.requests.filter(({ operation }) => operation === 'list').length > 0);
    const again = await bench.open({ kubeConfig, deleteOrphanPods: true });
    await podGone(pod);
    expect(labels).toMatchObject({ 'receptor/node': 'foo', 'receptor/worktype': 'kubeit' });
    expect(bench.cluster.pod(alive.pod)).toBeDefined();
    expect(await again.status(alive.id)).toMatchObject({ StateName: 'Running' });
    expect(other.workTypes()).toEqual([{ WorkType: 'other', Secure: false }]);
  });

  it('are looked for again when the API was away', async () => {
    const { pod, kubeConfig } = await orphan();
    bench.cluster.faults.add('list', { refuse: refuse.throttled(1) }, { times: 2 });
    await bench.open({ kubeConfig, deleteOrphanPods: true });
    await podGone(pod);
  });

  it('cannot be looked for: the log says why, and the node works', async () => {
    const { kubeConfig } = await orphan();
    const allow = bench.cluster.forbid({ verb: 'list' });
    const node = await bench.open({ kubeConfig });
    expect(await loggedAbout('Could not look')).toMatch(
      /^warning Could not look for what units of type kubeit have left: pods is forbidden: User "admin" cannot list/,
    );
    allow();
    expect(node.list()).toEqual({});
  });

  it('are not looked for where only submits say which cluster it is', async () => {
    await orphan();
    await bench.open({ env: { HOME: bench.dataDir } });
    expect(await loggedAbout('No kubeconfig')).toMatch(
      /^debug No kubeconfig to look for orphan pods of kubeit/,
    );
  });
});
