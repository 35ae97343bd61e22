import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { KubernetesWorkTypeOptions } from '../../src/index.js';
import { extraOf, podOf, submitFrom, useBench } from '../support/kubernetes.js';
import { completed, output, until } from '../support/node.js';

const bench = useBench({ namespaces: ['elsewhere'] });

const NOTHING = {
  allowRuntimeAuth: false,
  allowRuntimeCommand: false,
  allowRuntimeParams: false,
  allowRuntimePod: false,
};

/** A work type that needs nothing at run time: a kubeconfig of its own, and an image. */
function complete(): Partial<KubernetesWorkTypeOptions> {
  const kubeConfig = join(bench.dataDir, 'kubeconfig');
  writeFileSync(kubeConfig, bench.cluster.kubeconfig());
  return { ...NOTHING, kubeConfig, image: 'image:1', command: 'sh -c', params: "'echo $0 $@' one" };
}

interface Case {
  parameter: string;
  permission: keyof typeof NOTHING;
  value(): string;
  /** What must be true of a unit that was given the parameter. */
  effect(unit: { stdout: string; pod: PodSeen; detail: string }): void;
}
interface PodSeen {
  metadata: { name: string; namespace: string };
  spec: { containers: { image: string; command?: string[]; args?: string[] }[] };
}

const CASES: Case[] = [
  {
    parameter: 'kube_command',
    permission: 'allowRuntimeCommand',
    value: () => 'echo "quoted words" and',
    effect({ stdout, pod }) {
      expect(pod.spec.containers[0]?.command).toEqual(['echo', 'quoted words', 'and']);
      expect(stdout).toBe('quoted words and echo $0 $@ one\n');
    },
  },
  {
    parameter: 'kube_image',
    permission: 'allowRuntimeCommand',
    value: () => 'other/image:2',
    effect: ({ pod }) => expect(pod.spec.containers[0]?.image).toBe('other/image:2'),
  },
  {
    parameter: 'kube_params',
    permission: 'allowRuntimeParams',
    value: () => "two 'three four'",
    effect({ stdout, pod }) {
      expect(pod.spec.containers[0]?.args).toEqual(['echo $0 $@', 'one', 'two', 'three four']);
      expect(stdout).toBe('one two three four\n');
    },
  },
  {
    parameter: 'kube_namespace',
    permission: 'allowRuntimeAuth',
    value: () => 'elsewhere',
    effect: ({ pod }) => expect(pod.metadata.namespace).toBe('elsewhere'),
  },
  {
    parameter: 'secret_kube_config',
    permission: 'allowRuntimeAuth',
    value: () => bench.cluster.kubeconfig({ namespace: 'elsewhere' }),
    effect: ({ pod }) => expect(pod.metadata.namespace).toBe('elsewhere'),
  },
  {
    parameter: 'secret_kube_pod',
    permission: 'allowRuntimePod',
    value: () => podOf('echo the pod of the submit'),
    effect({ stdout, pod }) {
      expect(pod.metadata.name).toMatch(/^test-.{5}$/);
      expect(stdout).toBe('the pod of the submit\n');
    },
  },
  {
    parameter: 'pod_pending_timeout',
    permission: 'allowRuntimeParams',
    value: () => '1h20m30s',
    effect: ({ detail }) => expect(detail).toBe('Finished'),
  },
];

describe.each(CASES)('$parameter', ({ parameter, permission, value, effect }) => {
  it(`is taken with ${permission}`, async () => {
    const node = await bench.open({ ...complete(), [permission]: true });
    const id = await submitFrom('unix', node, { [parameter]: value() });
    const { Detail } = await completed(node, id);
    const { PodName, KubeNamespace } = await extraOf(node, id);
    const pod = bench.cluster.pod(PodName, KubeNamespace)?.pod;
    effect({ stdout: await output(node, id), pod: pod as unknown as PodSeen, detail: Detail });
  });

  it(`is refused without ${permission}, whatever else is allowed`, async () => {
    const node = await bench.open({
      ...complete(),
      allowRuntimeAuth: true,
      allowRuntimeCommand: true,
      allowRuntimeParams: true,
      allowRuntimePod: true,
      [permission]: false,
    });
    await expect(submitFrom('unix', node, { [parameter]: value() })).rejects.toMatchObject({
      code: 'RECEPTOR_PARAMETER_NOT_ALLOWED',
      message: `${parameter} provided but not allowed`,
    });
    expect(node.list()).toEqual({});
  });

  it('counts as absent when it is empty', async () => {
    const node = await bench.open(complete());
    const submission = await node.allocate({
      workType: 'kubeit',
      parameters: { [parameter]: '' },
      origin: 'unix',
    });
    expect(submission.id).toHaveLength(8);
  });
});

describe('parameters of a submit', () => {
  const refused = async (options: object, parameters: Record<string, string>) => {
    const node = await bench.open(options);
    return submitFrom('unix', node, parameters).then(
      () => 'accepted',
      (error: Error) => error.message,
    );
  };

  it('are checked in the order of the Go daemon', async () => {
    const all = Object.fromEntries(CASES.map(({ parameter, value }) => [parameter, value()]));
    const order = [];
    const options: Record<string, unknown> = complete();
    for (const { parameter, permission } of CASES) {
      order.push((await refused(options, all)).split(' ')[0] === parameter);
      options[permission] = true;
    }
    // Two that share a permission are told apart by which of them is named first.
    expect(order).toEqual([true, false, true, true, false, true, false]);
  });

  it('that nobody knows are ignored, `params` among them', async () => {
    const node = await bench.open(complete());
    const id = await submitFrom('unix', node, { params: 'two', whatever: 'x', image: 'y' });
    await completed(node, id);
    expect(await output(node, id)).toBe('one\n');
  });

  it.each(['kube_image', 'kube_command', 'kube_params'])('cannot give both a pod and %s', async (name) => {
    expect(await refused({}, { secret_kube_pod: podOf('true'), [name]: 'x' })).toBe(
      'params kube_command, kube_image, kube_params not compatible with secret_kube_pod',
    );
  });

  it('must give a kubeconfig where authmethod is runtime', async () => {
    const options = { authMethod: 'runtime', image: 'x' };
    expect(await refused(options, {})).toBe(
      'param secret_kube_config must be provided if AuthMethod=runtime',
    );
  });

  it.each([
    ['abc', 'time: invalid duration "abc"'],
    ['5', 'time: missing unit in duration "5"'],
    ['1d', 'time: unknown unit "d" in duration "1d"'],
  ])('refuse %s as a pod_pending_timeout', async (value, message) => {
    expect(await refused({}, { pod_pending_timeout: value })).toBe(message);
  });

  it('say which configured file cannot be read', async () => {
    const pod = join(bench.dataDir, 'nosuch.yml');
    expect(await refused({ pod }, {})).toBe(`could not read pod: open ${pod}: no such file or directory`);
    const gone = join(bench.dataDir, 'gone');
    writeFileSync(gone, '');
    const node = await bench.open({ kubeConfig: gone, image: 'x' });
    const { rmSync } = await import('node:fs');
    rmSync(gone);
    await expect(submitFrom('unix', node, {})).rejects.toThrow(
      `could not read kubeconfig: open ${gone}: no such file or directory`,
    );
  });

  it('replace a configured pod, which is read anew at each submit', async () => {
    const pod = join(bench.dataDir, 'pod.yml');
    const node = await bench.open({ pod });
    for (const words of ['first', 'second']) {
      writeFileSync(pod, podOf(`echo ${words}`));
      const id = await bench.submit(node);
      await completed(node, id);
      expect(await output(node, id)).toBe(`${words}\n`);
    }
    const id = await bench.submit(node, { secret_kube_pod: podOf('echo own') });
    await completed(node, id);
    expect(await output(node, id)).toBe('own\n');
  });

  it('leave no directory behind when they are refused', async () => {
    const { readdirSync } = await import('node:fs');
    const node = await bench.open({ ...complete(), allowRuntimeAuth: true });
    await expect(submitFrom('unix', node, { kube_image: 'x' })).rejects.toThrow();
    const id = await submitFrom('unix', node, {});
    await until(async () => (await node.status(id)).State === 2);
    expect(readdirSync(join(bench.dataDir, 'foo'))).toEqual([id]);
  });
});
