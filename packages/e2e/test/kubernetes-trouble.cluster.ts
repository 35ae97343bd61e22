import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { type DaemonProcess, startDaemon, temporaryDirectory } from '@receptor/e2e';
import { isComplete, ReceptorClient, type UnitReport, WorkState } from '@receptor/protocol';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { kubectl } from './support/kubectl.js';
import { cuttableProxy } from './support/proxy.js';

const kubeconfig = process.env.KUBECONFIG ?? '';
const fewRights = process.env.RECEPTOR_TEST_FEW_RIGHTS_KUBECONFIG ?? '';
/** For how long the API is gone in the test of that, in seconds. */
const AWAY = Number(process.env.RECEPTOR_TEST_API_GONE ?? 5);
/** A name that no other run has. */
const NAMESPACE = `receptor-e2e-${process.pid}`;

describe.skipIf(!kubeconfig)('trouble with a real cluster', () => {
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
  let daemon: DaemonProcess;
  let client: ReceptorClient;
  let admin: string;
  const units: string[] = [];

  beforeAll(async () => {
    admin = await readFile(kubeconfig, 'utf8');
    directory = await temporaryDirectory();
    const section = {
      worktype: 'kubeit',
      authmethod: 'runtime',
      allowruntimeauth: true,
      allowruntimepod: true,
      allowruntimeparams: true,
    };
    daemon = await startDaemon({ directory: directory.path, sections: [{ 'work-kubernetes': section }] });
    client = new ReceptorClient(daemon.socket);
    await kubectl(['create', 'namespace', NAMESPACE]);
    await kubectl(['create', 'quota', 'none', '--hard=pods=0', '-n', NAMESPACE]);
  });

  afterAll(async () => {
    client?.close();
    await daemon?.stop();
    await kubectl(['delete', 'namespace', NAMESPACE, '--wait=false']);
    await directory?.remove();
  });

  const releaseAll = async () => {
    for (const id of units.splice(0)) await client.releaseWork(id);
  };
  afterEach(releaseAll);

  /** The kubeconfig with something changed. */
  function changed(change: (cluster: Record<string, string>, user: Record<string, string>) => void): string {
    const config = parse(admin);
    change(config.clusters[0].cluster, config.users[0].user);
    return stringify(config);
  }

  interface PodParts {
    command?: string;
    worker?: object;
    spec?: object;
    name?: string;
  }

  const pod = ({ command = 'true', worker = {}, spec = {}, name = 'worker' }: PodParts) => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { generateName: 'receptor-e2e-' },
    spec: {
      restartPolicy: 'Never',
      containers: [{ name, image: 'busybox', command: ['sh', '-c', command], ...worker }],
      ...spec,
    },
  });

  async function submit(parts: PodParts, parameters: Record<string, string> = {}): Promise<string> {
    let id = '';
    await client
      .submitWork({
        workType: 'kubeit',
        parameters: {
          secret_kube_config: admin,
          secret_kube_pod: stringify(pod(parts)),
          ...parameters,
        },
        onUnit: (unit) => {
          id = unit;
        },
      })
      // What is wrong with it is in the unit's status too.
      .catch((error: Error) => {
        if (id === '') throw error;
      });
    units.push(id);
    return id;
  }

  async function until(id: string, check: (unit: UnitReport) => boolean): Promise<UnitReport> {
    for (;;) {
      const unit = await client.workStatus(id);
      if (check(unit)) return unit;
      if (isComplete(unit.State)) throw new Error(`the unit has ended: ${JSON.stringify(unit)}`);
      await sleep(100);
    }
  }

  const ended = (id: string) => until(id, ({ State }) => isComplete(State));
  const podName = (unit: UnitReport) => String((unit.ExtraData as { PodName: string }).PodName);

  /** The unit fails, and its detail says why. */
  async function fails(parts: PodParts, why: RegExp, parameters: Record<string, string> = {}): Promise<void> {
    const unit = await ended(await submit(parts, parameters));
    expect(unit.State).toBe(WorkState.Failed);
    expect(unit.Detail).toMatch(why);
  }

  test('an image that is missing', () =>
    fails(
      { worker: { image: 'example.invalid/nothing:1' } },
      /^Error creating pod: timed out waiting for the condition, (ErrImagePull|ImagePullBackOff): .*example\.invalid\/nothing:1/,
      { pod_pending_timeout: '20s' },
    ));

  test('no node for the pod', () =>
    fails(
      { spec: { nodeSelector: { nowhere: 'to-be-found' } } },
      /^Error creating pod: timed out .*Unschedulable: .*node\(s\) didn't match Pod's node affinity\/selector/,
      { pod_pending_timeout: '10s' },
    ));

  test('a quota that is used up', () =>
    fails({}, /^Error creating pod: pods "receptor-e2e-\w+" is forbidden: exceeded quota: none/, {
      kube_namespace: NAMESPACE,
    }));

  test.skipIf(!fewRights)('a namespace where one has no rights', async () => {
    const config = await readFile(fewRights, 'utf8');
    await fails({}, /^Error creating pod: pods is forbidden: User .* cannot create resource "pods"/, {
      secret_kube_config: config,
      kube_namespace: 'kube-system',
    });
  });

  test('a token that is expired or garbled', () =>
    fails({}, /^Error creating pod: Unauthorized/, {
      secret_kube_config: changed((_, user) => {
        for (const name of Object.keys(user)) delete user[name];
        user.token = 'garbled';
      }),
    }));

  test('a certificate of an unknown authority', () =>
    fails({}, /^Error creating pod: .*x509: certificate signed by unknown authority/, {
      secret_kube_config: changed((cluster, user) => {
        cluster['certificate-authority-data'] = user['client-certificate-data'] ?? '';
      }),
    }));

  test('an API server that is not there', async () => {
    const id = await submit(
      {},
      {
        secret_kube_config: changed((cluster) => {
          cluster.server = 'https://127.0.0.1:9';
        }),
      },
    );
    const unit = await until(id, ({ Detail }) => Detail.includes('refused'));
    expect(unit.Detail).toMatch(/dial tcp 127\.0\.0\.1:9: connect: connection refused/);
    await client.cancelWork(id);
  });

  test('a kubeconfig that is none', () =>
    fails({}, /^Error starting worker: .*yaml: line 1: /, { secret_kube_config: '{ no: YAML' }));

  test('a pod without a worker', () =>
    fails({ name: 'somebody' }, /^Error .*at least one container must be named worker/));

  test('a pod that is deleted while it runs', async () => {
    const id = await submit({ command: 'echo begun; exec sleep 300' });
    const unit = await until(id, ({ State, StdoutSize }) => State === WorkState.Running && StdoutSize === 6);
    await kubectl(['delete', 'pod', podName(unit), '--grace-period=0', '--force', '--wait=false']);
    const end = await ended(id);
    expect(end).toMatchObject({ State: WorkState.Failed, StdoutSize: 6 });
    expect(end.Detail).toMatch(
      /^Error running pod: pod default\/receptor-e2e-\w+ was deleted or lost before its worker had ended/,
    );
  });

  test('a pod that is evicted', async () => {
    const command = 'echo begun; dd if=/dev/zero of=/scratch/much bs=1M count=20 2>/dev/null; exec sleep 300';
    const id = await submit({
      command,
      worker: { volumeMounts: [{ name: 'scratch', mountPath: '/scratch' }] },
      spec: { volumes: [{ name: 'scratch', emptyDir: { sizeLimit: '1Mi' } }] },
    });
    const end = await ended(id);
    expect(end.State).toBe(WorkState.Failed);
    expect(end.Detail).toMatch(/Evicted.*Usage of EmptyDir volume "scratch" exceeds the limit "1Mi"/);
  });

  test('a worker that takes too much memory', async () => {
    const id = await submit({
      command: 'echo begun; exec tail /dev/zero',
      worker: { resources: { limits: { memory: '16Mi' } } },
    });
    const end = await ended(id);
    expect(end.State).toBe(WorkState.Failed);
    expect(end.Detail).toMatch(/^Error running pod: container failed with exit code 137.*OOMKilled/);
    expect(end.ExtraData).toMatchObject({ ExitCode: 137, Reason: 'OOMKilled' });
  });

  test('an API server that is gone for a while', async () => {
    let server = new URL('https://invalid');
    changed((cluster) => {
      server = new URL(cluster.server ?? '');
    });
    const proxy = await cuttableProxy(server.hostname, Number(server.port || 443));
    try {
      const id = await submit(
        { command: `i=0; while [ $i -lt ${(AWAY + 5) * 4} ]; do i=$((i+1)); echo line $i; sleep 0.25; done` },
        {
          secret_kube_config: changed((cluster) => {
            cluster.server = `https://127.0.0.1:${proxy.port}`;
            cluster['tls-server-name'] = server.hostname;
          }),
        },
      );
      await until(id, ({ StdoutSize }) => StdoutSize > 0);
      await proxy.cut();
      const started = Date.now();
      await until(id, ({ Detail }) => Detail.includes('connection refused'));
      await sleep(Math.max(0, AWAY * 1000 - (Date.now() - started)));
      expect((await client.workStatus(id)).State).toBe(WorkState.Running);
      await proxy.mend();
      const unit = await ended(id);
      const lines = Array.from({ length: (AWAY + 5) * 4 }, (_, i) => `line ${i + 1}\n`).join('');
      const chunks: Buffer[] = [];
      for await (const chunk of client.results(id)) chunks.push(chunk as Buffer);
      expect(Buffer.concat(chunks).toString()).toBe(lines);
      expect(unit).toMatchObject({ State: WorkState.Succeeded, Detail: 'Finished' });
      // Over this way alone its pod can be deleted.
      await releaseAll();
    } finally {
      await proxy.close();
    }
  });
});
