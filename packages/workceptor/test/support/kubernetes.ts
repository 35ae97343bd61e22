import { join } from 'node:path';
import { type Simulator, type SimulatorOptions, startSimulator } from '@receptor/kubernetes-simulator';
import type { UnitReport } from '@receptor/protocol';
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import {
  type KubernetesExtraData,
  type KubernetesWorkTypeOptions,
  kubernetesWorkType,
  Workceptor,
} from '../../src/index.js';
import type { Origin } from '../../src/worker.js';
import { chunks, recordingLogger, temporaryDirectory, until } from './node.js';

/** How a test's node is opened; everything has a default. */
export interface NodeOptions extends Partial<KubernetesWorkTypeOptions> {
  env?: Record<string, string | undefined>;
  serviceAccount?: string;
}

/** A simulated cluster for the tests of a file, and a node with the work type `kubeit` for each of them. */
export interface Bench {
  /** The cluster, in which pulls and steps take no time. */
  readonly cluster: Simulator;
  /** The node's data directory; a new one for each test. */
  readonly dataDir: string;
  /** What the nodes have logged in this test. */
  readonly logged: string[];
  /** Opens a node that allows everything at run time. It is closed with the test, or by {@link close}. */
  open(options?: NodeOptions): Promise<Workceptor>;
  close(node: Workceptor): Promise<void>;
  /** Submits a unit to a node; its ID. Without a kubeconfig among the parameters, the cluster's is taken. */
  submit(node: Workceptor, parameters?: Record<string, string>, payload?: string): Promise<string>;
  /** The path of a unit's file. */
  file(id: string, name: string): string;
}

/** Shell commands as a pod's document; `more` goes into its metadata, `spec` into its spec. */
export function podOf(script: string, more: object = {}, spec: object = {}): string {
  const worker = { name: 'worker', image: 'busybox', command: ['sh', '-c', script] };
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { generateName: 'test-', ...more },
    spec: { containers: [worker], ...spec },
  });
}

/** Makes a bench whose life is bound to the test file that calls this. */
export function useBench(options: SimulatorOptions = {}): Bench {
  let cluster: Simulator;
  let directory: { path: string; remove(): void };
  let logger = recordingLogger();
  const open = new Set<Workceptor>();

  beforeAll(async () => {
    cluster = await startSimulator({ pace: { imagePullMs: 5 }, ...options });
  });
  afterAll(() => cluster.close());
  beforeEach(() => {
    directory = temporaryDirectory();
    logger = recordingLogger();
  });
  afterEach(async () => {
    cluster.faults.clear();
    for (const node of open) await node.close();
    open.clear();
    directory.remove();
  });

  return {
    get cluster() {
      return cluster;
    },
    get dataDir() {
      return directory.path;
    },
    get logged() {
      return logger.lines;
    },
    async open({ env = {}, serviceAccount, ...more } = {}) {
      const node = new Workceptor({ nodeId: 'foo', dataDir: directory.path, logger });
      const surroundings = { nodeId: 'foo', env, log: logger, ...(serviceAccount ? { serviceAccount } : {}) };
      node.registerWorkType(
        kubernetesWorkType(
          {
            workType: 'kubeit',
            authMethod: 'kubeconfig',
            allowRuntimeAuth: true,
            allowRuntimeCommand: true,
            allowRuntimeParams: true,
            allowRuntimePod: true,
            ...more,
          },
          surroundings,
        ),
      );
      open.add(node);
      await node.open();
      return node;
    },
    async close(node) {
      open.delete(node);
      await node.close();
    },
    submit: (node, parameters = {}, payload = '') =>
      submitFrom('unix', node, { secret_kube_config: cluster.kubeconfig(), ...parameters }, payload),
    file: (id, name) => join(directory.path, 'foo', id, name),
  };
}

/** Submits a unit and starts it; its ID. */
export async function submitFrom(
  origin: Origin,
  node: Workceptor,
  parameters: Record<string, string>,
  payload = '',
): Promise<string> {
  const given = Object.fromEntries(Object.entries(parameters).filter(([, value]) => value !== ''));
  const submission = await node.allocate({ workType: 'kubeit', parameters: given, origin });
  await submission.receive(chunks(payload));
  await submission.start();
  return submission.id;
}

/** A unit's ExtraData, without secrets. */
export async function extraOf(node: Workceptor, id: string): Promise<KubernetesExtraData> {
  return (await node.status(id)).ExtraData as KubernetesExtraData;
}

/** The unit's status once its Detail is as it should be. */
export function detailed(node: Workceptor, id: string, detail: RegExp | string): Promise<UnitReport> {
  return until(async () => {
    const report = await node.status(id);
    const fits = typeof detail === 'string' ? report.Detail === detail : detail.test(report.Detail);
    return fits && report;
  });
}

/** Everything the cluster has been asked, as `method operation`, about one pod or all. */
export function asked(cluster: Simulator, operation: string): number {
  return cluster.requests.filter((request) => request.operation === operation).length;
}
