import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { refuse, type Scenario } from '@receptor/kubernetes-simulator';
import { describe, expect, it } from 'vitest';
import type { Workceptor } from '../../src/index.js';
import { asked, detailed, extraOf, podOf, submitFrom, useBench } from '../support/kubernetes.js';
import { completed, output, running, until } from '../support/node.js';

const bench = useBench();
/** Retries that take no time. */
const FAST = { env: { RECEPTOR_KUBE_TIMEOUT_START: '20ms' } };

const scenario = (what: Scenario | string) => ({
  annotations: {
    'kubernetes-simulator/scenario': typeof what === 'string' ? what : JSON.stringify(what),
  },
});

/** Runs a pod to its end; what became of the unit. */
async function outcome(pod: string, parameters: Record<string, string> = {}, options = FAST) {
  const node = await bench.open(options);
  const id = await bench.submit(node, { secret_kube_pod: pod, ...parameters });
  const { StateName, Detail } = await completed(node, id);
  return { StateName, Detail, extra: await extraOf(node, id), stdout: await output(node, id) };
}

/** Why the start of a unit is refused. */
async function startError(parameters: Record<string, string>, options: object = FAST): Promise<string> {
  const node = await bench.open(options);
  return submitFrom('unix', node, parameters).then(
    () => 'started',
    (error: Error) => error.message,
  );
}

describe('a pod that cannot begin', () => {
  it('whose image is missing fails at the fourth look, and says which image and why', async () => {
    const { StateName, Detail, extra } = await outcome(podOf('true', scenario('image-pull-fails')));
    expect(StateName).toBe('Failed');
    expect(Detail).toMatch(
      /^Error creating pod: container failed to start, ImagePullBackOff: Back-off pulling image "busybox".*not found/,
    );
    expect(extra).toMatchObject({ ExitCode: null, Reason: 'ImagePullBackOff' });
    await until(() => !bench.cluster.pod(extra.PodName));
  });

  it('that no node has room for waits, says why, and runs as soon as there is room', async () => {
    const node = await bench.open();
    const id = await bench.submit(node, {
      secret_kube_pod: podOf('echo at last', scenario('unschedulable')),
    });
    const { StateName } = await detailed(
      node,
      id,
      'Pod created; Unschedulable: 0/1 nodes are available: 1 Insufficient cpu.',
    );
    expect(StateName).toBe('Pending');
    bench.cluster.pod((await extraOf(node, id)).PodName)?.proceed();
    expect(await completed(node, id)).toMatchObject({ StateName: 'Succeeded', Detail: 'Finished' });
    expect(await output(node, id)).toBe('at last\n');
  });

  it('is given up when pod_pending_timeout is over, with what it waited for, and deleted', async () => {
    const pod = podOf('true', scenario('unschedulable'));
    const { StateName, Detail, extra } = await outcome(pod, { pod_pending_timeout: '500ms' });
    expect(StateName).toBe('Failed');
    expect(Detail).toBe(
      'Error creating pod: timed out waiting for the condition: Unschedulable: 0/1 nodes are available: 1 Insufficient cpu.',
    );
    await until(() => !bench.cluster.pod(extra.PodName));
  });

  it.each(['0', '0s'])('is waited for without limit with a pod_pending_timeout of %s', async (timeout) => {
    const node = await bench.open();
    const pod = podOf('true', scenario('unschedulable'));
    const id = await bench.submit(node, { secret_kube_pod: pod, pod_pending_timeout: timeout });
    await detailed(node, id, /Unschedulable/);
    expect(await extraOf(node, id)).not.toHaveProperty('PodPendingDeadline');
  });

  it('whose configuration is wrong waits, and names what is missing', async () => {
    const node = await bench.open();
    const id = await bench.submit(node, { secret_kube_pod: podOf('true', scenario('config-error')) });
    const { StateName } = await detailed(node, id, /CreateContainerConfigError: secret "missing" not found/);
    expect(StateName).toBe('Pending');
    await node.cancel(id);
  });

  it('is not given up for pulling slowly, when pod_pending_timeout is long', async () => {
    const pod = podOf('echo ok', scenario({ startAfterMs: 300 }));
    expect(await outcome(pod, { pod_pending_timeout: '1m' })).toMatchObject({ stdout: 'ok\n' });
  });

  it('whose init container fails says which and how', async () => {
    const init = { name: 'prepare', image: 'x', command: ['sh', '-c', 'exit 4'] };
    const { StateName, Detail } = await outcome(podOf('true', {}, { initContainers: [init] }));
    expect(StateName).toBe('Failed');
    expect(Detail).toMatch(
      /^Error creating pod: pod failed to start.*init container prepare ended with exit code 4/,
    );
  });

  it('is deleted before it begins: the unit fails and says so', async () => {
    const node = await bench.open();
    const id = await bench.submit(node, { secret_kube_pod: podOf('true', scenario('unschedulable')) });
    await detailed(node, id, /Unschedulable/);
    const { PodName } = await extraOf(node, id);
    await bench.cluster.pod(PodName)?.delete(0);
    expect(await completed(node, id)).toMatchObject({
      StateName: 'Failed',
      Detail: `Error creating pod: pods "${PodName}" not found: it was deleted before its worker ran`,
    });
  });
});

describe('a pod that is not created', () => {
  it.each<[string, string, string]>([
    [
      'quota is exceeded',
      podOf('true', scenario('quota-exceeded')),
      'exceeded quota: quota, requested: pods=1, used: pods=1, limited: pods=1',
    ],
    ['name is no DNS name', podOf('true', { generateName: 'Under_score' }), 'a lowercase RFC 1123 subdomain'],
    [
      'fields have the wrong type',
      podOf('true', { annotations: 'no map' }),
      'Pod in version "v1" cannot be handled as a Pod: json: cannot unmarshal string',
    ],
  ])('because its %s fails with the words of Kubernetes', async (_, pod, words) => {
    const { StateName, Detail, extra } = await outcome(pod);
    expect(StateName).toBe('Failed');
    expect(Detail).toMatch(/^Error creating pod: /);
    expect(Detail).toContain(words);
    expect(extra).toMatchObject({ PodName: '', PodUID: '' });
  });

  it.each<[string, string, RegExp]>([
    [
      'has no container named worker',
      podOf('true').replaceAll('worker', 'main'),
      /at least one container must be named worker/,
    ],
    [
      'has a worker only among its init containers',
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'Pod',
        spec: { initContainers: [{ name: 'worker', image: 'x' }], containers: [{ name: 'a', image: 'x' }] },
      }),
      /at least one container must be named worker/,
    ],
    [
      'has no containers',
      '{"apiVersion": "v1", "kind": "Pod"}',
      /at least one container must be named worker/,
    ],
    ['is not YAML', 'a: [b', /couldn't get version\/kind; yaml: line 1: /],
    ['is not an object', 'just words', /couldn't get version\/kind; the pod is not an object/],
    ['is of no kind', 'apiVersion: v1', /Object 'Kind' is missing in the pod/],
    [
      'is of another kind',
      'apiVersion: batch/v1\nkind: Job',
      /the pod must be of kind Pod in v1, not Job in batch\/v1/,
    ],
    [
      'has containers that are no list',
      'apiVersion: v1\nkind: Pod\nspec: {containers: {}}',
      /spec.containers of the pod is not a list/,
    ],
  ])('because its document %s', async (_, pod, words) => {
    const { StateName, Detail } = await outcome(pod);
    expect(StateName).toBe('Failed');
    expect(Detail).toMatch(/^Error creating pod: /);
    expect(Detail).toMatch(words);
  });

  it('because of quotes in the command', async () => {
    const node = await bench.open();
    const id = await bench.submit(node, { kube_image: 'x', kube_command: 'sh -c "open' });
    expect((await completed(node, id)).Detail).toBe(
      'Error creating pod: EOF found when expecting closing quote',
    );
  });

  it('leaves nothing that would have to be deleted', async () => {
    const allow = bench.cluster.forbid({ verb: 'create' });
    const before = asked(bench.cluster, 'delete') + asked(bench.cluster, 'get');
    const { extra } = await outcome(podOf('true'));
    allow();
    expect(extra).toMatchObject({ PodName: '', PodUID: '' });
    expect(asked(bench.cluster, 'delete') + asked(bench.cluster, 'get')).toBe(before);
    expect(bench.logged.filter((line) => line.includes('deleting'))).toEqual([]);
  });

  it('because that is forbidden: Detail names who may not do what', async () => {
    const allow = bench.cluster.forbid({ verb: 'create' });
    const { StateName, Detail } = await outcome(podOf('true'));
    allow();
    expect(StateName).toBe('Failed');
    expect(Detail).toMatch(
      /^Error creating pod: pods.* is forbidden: User "admin" cannot create resource "pods" in API group "" in the namespace "default"$/,
    );
  });

  it('because the namespace does not exist', async () => {
    const { Detail } = await outcome(podOf('true'), { kube_namespace: 'nowhere' });
    expect(Detail).toBe('Error creating pod: namespaces "nowhere" not found');
  });
});

describe('a pod that is ended by others', () => {
  const endless = podOf('echo before; sleep 600', {}, { terminationGracePeriodSeconds: 1 });

  async function interrupted(act: (pod: string, id: string, node: Workceptor) => void | Promise<void>) {
    const node = await bench.open(FAST);
    const id = await bench.submit(node, { secret_kube_pod: endless });
    await running(node, id);
    await until(async () => (await node.status(id)).StdoutSize === 7);
    await act((await extraOf(node, id)).PodName, id, node);
    const { StateName, Detail } = await completed(node, id);
    expect(await output(node, id)).toBe('before\n');
    return { StateName, Detail, extra: await extraOf(node, id) };
  }

  it('deleted: Failed, and says that it was deleted', async () => {
    const { StateName, Detail, extra } = await interrupted((name) => void bench.cluster.pod(name)?.delete(1));
    expect(StateName).toBe('Failed');
    expect(Detail).toMatch(/the pod was deleted|was deleted or lost before its worker had ended/);
    expect(extra.Reason).toBe('Deleted');
  });

  it('deleted by force, without a trace: Failed all the same', async () => {
    const { StateName, Detail, extra } = await interrupted((name) => void bench.cluster.pod(name)?.delete(0));
    expect(StateName).toBe('Failed');
    expect(Detail).toBe(
      `Error running pod: pod default/${extra.PodName} was deleted or lost before its worker had ended`,
    );
  });

  it('evicted: Failed, with what the node was short of', async () => {
    const { StateName, Detail, extra } = await interrupted((name) => bench.cluster.pod(name)?.evict());
    expect(StateName).toBe('Failed');
    expect(Detail).toMatch(
      /^Error running pod: container failed with exit code 137: Evicted: The node was low on resource: memory/,
    );
    expect(extra).toMatchObject({ Reason: 'Evicted', ExitCode: 137 });
  });

  it('killed for want of memory: Failed, OOMKilled', async () => {
    const { StateName, Detail, extra } = await interrupted((name) => bench.cluster.pod(name)?.oomKill());
    expect(StateName).toBe('Failed');
    expect(Detail).toMatch(/^Error running pod: container failed with exit code 137: OOMKilled/);
    expect(extra).toMatchObject({ Reason: 'OOMKilled', ExitCode: 137 });
  });

  it('on a node that is lost: says so while it waits, and fails when the cluster gives the pod up', async () => {
    const { StateName, Detail } = await interrupted(async (name, id, node) => {
      bench.cluster.pod(name)?.loseNode();
      const { StateName: meanwhile } = await detailed(
        node,
        id,
        /the pod is being deleted: NodeLost: Node .*unresponsive/,
      );
      expect(meanwhile).toBe('Running');
      await bench.cluster.pod(name)?.delete(0);
    });
    expect(StateName).toBe('Failed');
    expect(Detail).toMatch(/was deleted or lost before its worker had ended.*NodeLost.*unresponsive/);
  });
});

describe('a worker that ends badly by itself', () => {
  it('is Succeeded, as with Receptor 1.6, but Detail and ExtraData have the exit code', async () => {
    const { StateName, Detail, extra, stdout } = await outcome(podOf('echo out; exit 3'));
    expect(StateName).toBe('Succeeded');
    expect(Detail).toBe('Finished with exit code 3 (Error)');
    expect(extra).toMatchObject({ ExitCode: 3, Reason: 'Error', Gaps: [] });
    expect(stdout).toBe('out\n');
  });

  it('is Failed where failonnonzeroexit is set', async () => {
    const { StateName, Detail } = await outcome(
      podOf('exit 3'),
      {},
      { ...FAST, ...{ failOnNonZeroExit: true } },
    );
    expect(StateName).toBe('Failed');
    expect(Detail).toBe('Finished with exit code 3 (Error)');
  });

  it('leaves its termination message in Detail', async () => {
    const { Detail } = await outcome(podOf('echo why > /dev/termination-log; exit 1'));
    expect(Detail).toMatch(/^Finished with exit code 1 \(Error\): why/);
  });
});

describe('credentials that do not serve', () => {
  it('an expired token ends with what the server said, and a way out', async () => {
    const kubeconfig = bench.cluster.kubeconfig({ auth: 'token' }).replace(/token: .*/, 'token: outdated');
    const { StateName, Detail } = await outcome(podOf('true'), { secret_kube_config: kubeconfig });
    expect(StateName).toBe('Failed');
    expect(Detail).toMatch(/^Error creating pod: Unauthorized/);
    expect(Detail).toMatch(/credentials/);
  });

  it('a certificate of another authority is not retried, and named', async () => {
    const before = bench.cluster.requests.length;
    const kubeconfig = bench.cluster.kubeconfig({ wrongAuthority: true });
    const { StateName, Detail } = await outcome(podOf('true'), { secret_kube_config: kubeconfig });
    expect(StateName).toBe('Failed');
    expect(Detail).toMatch(
      /^Error creating pod: Post "https:.*tls: x509: certificate signed by unknown authority/,
    );
    expect(bench.cluster.requests.length).toBe(before);
  });

  it('a server that nobody listens at is tried as often as configured, then named', async () => {
    const kubeconfig = bench.cluster.kubeconfig().replace(/server: .*/, 'server: https://127.0.0.1:1');
    const { StateName, Detail } = await outcome(podOf('true'), { secret_kube_config: kubeconfig });
    expect(StateName).toBe('Failed');
    expect(Detail).toMatch(
      /^Error creating pod: Post "https:\/\/127.0.0.1:1\/api\/v1\/namespaces\/default\/pods": dial tcp 127.0.0.1:1: connect: connection refused$/,
    );
  });

  it.each<[string, string, RegExp]>([
    ['is not YAML', 'a: [b', /^yaml: line 1: /],
    ['is not an object', '[]', /^invalid configuration: the kubeconfig is not an object$/],
    [
      'is empty',
      '{}',
      /^invalid configuration: no configuration has been provided, try setting KUBERNETES_MASTER environment variable$/,
    ],
    [
      'names a context that is not there',
      'current-context: gone',
      /^context was not found for specified context: gone$/,
    ],
    [
      'has no server',
      'current-context: a\ncontexts: [{name: a, context: {cluster: c}}]\nclusters: [{name: c, cluster: {insecure-skip-tls-verify: true}}]',
      /^invalid configuration: no server found for cluster "c"$/,
    ],
    [
      'names a user that is not there',
      'current-context: a\ncontexts: [{name: a, context: {cluster: c, user: u}}]\nclusters: [{name: c, cluster: {server: "https://x"}}]',
      /^invalid configuration: user "u" was not found for context "a"$/,
    ],
    [
      'has a server that is no URL',
      'current-context: a\ncontexts: [{name: a, context: {cluster: c}}]\nclusters: [{name: c, cluster: {server: "https://a b"}}]',
      /^invalid configuration: the server "https:\/\/a b" is not a URL$/,
    ],
    [
      'has a certificate that is none',
      'current-context: a\ncontexts: [{name: a, context: {cluster: c}}]\nclusters: [{name: c, cluster: {server: "https://127.0.0.1:1", certificate-authority-data: bm9uZQ==}}]',
      /certificate/,
    ],
    [
      'names a file that is not there',
      'current-context: a\ncontexts: [{name: a, context: {cluster: c}}]\nclusters: [{name: c, cluster: {server: "https://127.0.0.1:1", certificate-authority: /nosuch/ca.crt}}]',
      /open \/nosuch\/ca.crt: no such file or directory/,
    ],
  ])('a kubeconfig that %s', async (_, kubeconfig, words) => {
    const node = await bench.open(FAST);
    const submission = await node.allocate({
      workType: 'kubeit',
      parameters: { secret_kube_config: kubeconfig, secret_kube_pod: podOf('true') },
      origin: 'unix',
    });
    await submission.receive((async function* () {})());
    const error = await submission.start().then(
      () => undefined,
      (reason: Error) => reason.message,
    );
    const { StateName, Detail } = await completed(node, submission.id);
    expect(StateName).toBe('Failed');
    if (error !== undefined) {
      expect(error).toMatch(words);
      expect(Detail).toBe(`Error starting worker: ${error}`);
    } else {
      expect(Detail.replace(/^Error creating pod: /, '')).toMatch(words);
    }
  });

  it('a cluster that should be around the daemon and is not', async () => {
    expect(await startError({ kube_image: 'x' }, { authMethod: 'incluster', namespace: 'default' })).toBe(
      'unable to load in-cluster configuration, KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT must be defined',
    );
  });

  it('a default kubeconfig that is not there', async () => {
    const options = { env: { HOME: bench.dataDir } };
    const file = join(bench.dataDir, '.kube', 'config');
    expect(await startError({ kube_image: 'x' }, options)).toBe(
      `could not determine namespace: stat ${file}: no such file or directory`,
    );
    expect(await startError({ kube_image: 'x', kube_namespace: 'a' }, options)).toBe(
      `stat ${file}: no such file or directory`,
    );
  });

  it('files that KUBECONFIG lists are read as one; those that are missing are passed over', async () => {
    const [first, second] = [join(bench.dataDir, 'a'), join(bench.dataDir, 'b')];
    writeFileSync(first, 'current-context: simulator');
    writeFileSync(second, bench.cluster.kubeconfig());
    const node = await bench.open({ env: { KUBECONFIG: `${first}:/nosuch:${second}` } });
    const id = await submitFrom('unix', node, { secret_kube_pod: podOf('echo both') });
    await completed(node, id);
    expect(await output(node, id)).toBe('both\n');
  });
});

it('throttling is no failure: the pod is created when the server allows it', async () => {
  bench.cluster.faults.add('create', { refuse: refuse.throttled(0) }, { times: 8 });
  expect(await outcome(podOf('echo through'))).toMatchObject({ StateName: 'Succeeded', stdout: 'through\n' });
});

it('a Retry-After is heeded', async () => {
  bench.cluster.faults.add('create', { refuse: refuse.throttled(1) }, { times: 1 });
  const before = bench.cluster.requests.length;
  await outcome(podOf('true'));
  const creates = bench.cluster.requests.slice(before).filter(({ operation }) => operation === 'create');
  expect(creates.map(({ status }) => status)).toEqual([429, 201]);
  const [first, second] = creates;
  expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThanOrEqual(990);
});
