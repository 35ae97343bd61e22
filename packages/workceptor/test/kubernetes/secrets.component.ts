import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type UnitReport, WorkState } from '@receptor/protocol';
import { afterEach, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import type { Workceptor } from '../../src/index.js';
import { podOf, submitFrom, useBench } from '../support/kubernetes.js';
import { completed, output, running } from '../support/node.js';

const bench = useBench();
afterEach(() => bench.cluster.startListening());
const FAST = { RECEPTOR_KUBE_TIMEOUT_START: '5ms', RECEPTOR_KUBE_RETRY_COUNT: '2' };

/** Words that stand in the kubeconfig and in the pod, and nowhere else. */
const PLANTED = [
  'planted-in-kubeconfig',
  'planted-in-extension',
  'planted-in-env',
  'planted-in-annotation',
  'planted-in-args',
];

function plantedPod(script = 'true', more: object = {}): string {
  const worker = {
    name: 'worker',
    image: 'busybox',
    command: ['sh', '-c', script, 'planted-in-args'],
    env: [{ name: 'PASSWORD', value: 'planted-in-env' }],
  };
  return stringify({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { annotations: { note: 'planted-in-annotation', ...more } },
    spec: { containers: [worker], terminationGracePeriodSeconds: 0 },
  });
}

function plantedKubeconfig(change: (config: Parsed) => void = () => {}): string {
  const config = parse(bench.cluster.kubeconfig()) as Parsed;
  config.extensions = [{ name: 'planted-in-extension' }];
  const [user] = config.users;
  // With a client certificate the token is not looked at, but there it is.
  if (user) user.user.password = 'planted-in-kubeconfig';
  change(config);
  return stringify(config);
}
interface Parsed {
  extensions?: object[];
  users: { name: string; user: Record<string, unknown> }[];
  clusters: { cluster: Record<string, unknown> }[];
}

/** What of the planted, and of the cluster's own key, appears in a text. */
function found(text: string): string[] {
  const { user = {} } = (parse(bench.cluster.kubeconfig()) as Parsed).users[0] ?? {};
  const { user: byToken = {} } =
    (parse(bench.cluster.kubeconfig({ auth: 'token' })) as Parsed).users[0] ?? {};
  const secrets = [...PLANTED, String(user['client-key-data']).slice(0, 60), String(byToken.token)];
  return secrets.filter((secret) => text.includes(secret));
}

/** All arguments of all processes but the containers', which the simulator runs here. */
function processArguments(): string {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
      } catch {
        return '';
      }
    })
    .filter((line) => !line.includes('planted-in-args'))
    .join('\n');
}

/** Every file below a directory, with its mode. */
function tree(directory: string): { path: string; mode: number; directory: boolean }[] {
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name);
    const mode = statSync(path).mode & 0o777;
    const here = { path, mode, directory: entry.isDirectory() };
    return entry.isDirectory() ? [here, ...tree(path)] : [here];
  });
}

const replies: string[] = [];
async function look(node: Workceptor, id: string): Promise<void> {
  replies.push(JSON.stringify(await node.status(id)), JSON.stringify(node.list()));
}

/** Runs a unit to its end, and keeps what a client would be told of it. */
async function run(node: Workceptor, parameters: Record<string, string>): Promise<UnitReport | string> {
  let id: string;
  try {
    id = await submitFrom('unix', node, parameters, 'payload');
  } catch (error) {
    replies.push(String(error));
    return (error as Error).message;
  }
  const report = await completed(node, id);
  await look(node, id);
  return report;
}

it('nothing of a kubeconfig or a pod is in logs, replies, ExtraData as replied, or arguments of processes', async () => {
  const node = await bench.open({ env: FAST });
  const secret_kube_config = plantedKubeconfig();
  const good = { secret_kube_config, secret_kube_pod: plantedPod('cat') };

  // Each of these fails in a place of its own; what goes wrong is often quoted.
  const outcomes: (UnitReport | string)[] = [];
  const cases: Record<string, string>[] = [
    good,
    { ...good, secret_kube_pod: plantedPod('exit 3') },
    { ...good, secret_kube_pod: `${plantedPod()}\n  bad: [` },
    { ...good, secret_kube_pod: 'planted-in-annotation' },
    { ...good, secret_kube_pod: plantedPod().replace('name: worker', 'name: other') },
    { ...good, secret_kube_pod: plantedPod().replace('kind: Pod', 'kind: Secret') },
    { ...good, secret_kube_pod: plantedPod('true', { 'kubernetes-simulator/scenario': 'quota-exceeded' }) },
    { ...good, secret_kube_pod: plantedPod('true', { 'kubernetes-simulator/scenario': 'image-pull-fails' }) },
    { ...good, secret_kube_pod: plantedPod('sleep 600', { 'kubernetes-simulator/scenario': 'oom-killed' }) },
    { ...good, secret_kube_config: `${secret_kube_config}\n bad: [` },
    { ...good, secret_kube_config: 'planted-in-kubeconfig' },
    {
      ...good,
      secret_kube_config: plantedKubeconfig(({ clusters }) =>
        Object.assign(clusters[0]?.cluster ?? {}, { server: 'https://127.0.0.1:1' }),
      ),
    },
    {
      ...good,
      secret_kube_config: plantedKubeconfig(({ clusters }) =>
        Object.assign(clusters[0]?.cluster ?? {}, {
          'proxy-url': 'http://u:planted-in-kubeconfig@127.0.0.1:1',
        }),
      ),
    },
    {
      ...good,
      secret_kube_config: plantedKubeconfig(({ clusters }) =>
        Object.assign(clusters[0]?.cluster ?? {}, {
          'proxy-url': 'ftp://u:planted-in-kubeconfig@127.0.0.1:1',
        }),
      ),
    },
    {
      ...good,
      secret_kube_config: plantedKubeconfig(({ clusters }) =>
        Object.assign(clusters[0]?.cluster ?? {}, { server: 'https://u:planted-in-kubeconfig@127.0.0.1:1' }),
      ),
    },
    {
      ...good,
      secret_kube_config: plantedKubeconfig(({ users }) =>
        Object.assign(users[0] ?? {}, { user: { token: 'planted-in-kubeconfig' } }),
      ),
    },
    {
      ...good,
      secret_kube_config: plantedKubeconfig(({ users }) =>
        Object.assign(users[0] ?? {}, { user: { 'client-key-data': 'planted-in-kubeconfig' } }),
      ),
    },
    {
      ...good,
      secret_kube_config: plantedKubeconfig(({ users }) =>
        Object.assign(users[0] ?? {}, {
          user: {
            exec: {
              apiVersion: 'v1',
              command: 'sh',
              args: ['-c', 'echo $PW planted-in-kubeconfig >&2; exit 1'],
              env: [{ name: 'PW', value: 'planted-in-env' }],
            },
          },
        }),
      ),
    },
    {
      ...good,
      secret_kube_config: plantedKubeconfig(({ users }) =>
        Object.assign(users[0] ?? {}, {
          user: { 'auth-provider': { name: 'oidc', config: { 'id-token': 'planted-in-kubeconfig' } } },
        }),
      ),
    },
    { ...good, pod_pending_timeout: 'never' },
    { ...good, kube_image: 'x' },
  ];
  for (const parameters of cases) outcomes.push(await run(node, parameters));
  // They did go wrong, in different places.
  const states = outcomes.map((outcome) => (typeof outcome === 'string' ? 'refused' : outcome.State));
  expect(states.filter((state) => state === WorkState.Succeeded)).toHaveLength(2);
  expect(states.filter((state) => state === 'refused').length).toBeGreaterThan(4);
  expect(
    new Set(outcomes.map((outcome) => (typeof outcome === 'string' ? outcome : outcome.Detail))).size,
  ).toBeGreaterThan(15);

  const id = await submitFrom('unix', node, { ...good, secret_kube_pod: plantedPod('sleep 600') });
  await running(node, id);
  await look(node, id);
  expect(found(processArguments())).toEqual([]);
  await bench.cluster.stopListening();
  await node.release(id);
  await bench.close(node);
  const again = await bench.open({ env: FAST });
  replies.push(JSON.stringify(again.list()));
  await bench.cluster.startListening();

  expect(bench.logged.length).toBeGreaterThan(10);
  expect(bench.logged.filter((line) => found(line).length > 0)).toEqual([]);
  expect(replies.length).toBeGreaterThan(20);
  expect(replies.filter((reply) => found(reply).length > 0)).toEqual([]);
});

it('all that is kept on disk is for the daemon alone, and goes with the unit', async () => {
  const node = await bench.open({ env: FAST });
  const parameters = {
    secret_kube_config: plantedKubeconfig(),
    secret_kube_pod: plantedPod('cat; sleep 600'),
  };
  const id = await submitFrom('unix', node, parameters, 'payload');
  await running(node, id);
  await bench.cluster.stopListening();
  const other = await submitFrom('unix', node, parameters, 'payload');
  await node.release(other);
  await node.cancel(id);
  const kept = tree(join(bench.dataDir, 'foo'));
  expect(statSync(join(bench.dataDir, 'foo')).mode & 0o777).toBe(0o700);
  expect(kept.length).toBeGreaterThan(4);
  for (const { path, mode, directory } of kept)
    expect([path, mode]).toEqual([path, directory ? 0o700 : 0o600]);
  // What has the kubeconfig is what needs it: a unit's status, and what it takes to delete a pod later.
  const holders = kept.filter(
    ({ path, directory }) => !directory && found(readFileSync(path, 'utf8')).length > 0,
  );
  expect(holders.map(({ path }) => path).sort()).toEqual(
    [join(bench.dataDir, 'foo', '.leftovers', id), bench.file(id, 'status')].sort(),
  );
  await node.release(id);
  await bench.cluster.startListening();
  await expect.poll(() => readdirSync(join(bench.dataDir, 'foo')), { timeout: 20_000 }).toEqual([]);
});

it('the test finds what it looks for', async () => {
  const node = await bench.open({ env: FAST });
  const id = await bench.submit(node, {
    secret_kube_config: plantedKubeconfig(),
    secret_kube_pod: plantedPod('echo planted-in-env'),
  });
  await completed(node, id);
  expect(found(await output(node, id))).toEqual(['planted-in-env']);
  expect(found(readFileSync(bench.file(id, 'status'), 'utf8')).length).toBeGreaterThan(4);
  expect(found(podOf('true'))).toEqual([]);
});
