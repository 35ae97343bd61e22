import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Access, type ForbidRule } from './access.js';
import { addNamespace, VERSION } from './api/discovery.js';
import { ApiServer } from './api/server.js';
import type { Script } from './container/script.js';
import { Faults, type RecordedRequest } from './faults.js';
import { createIdentity, type KubeconfigOptions, kubeconfigText } from './identity.js';
import type { LogSettings } from './log/container-log.js';
import type { ContainerSpec, Pod } from './objects.js';
import type { Pace, PodLife } from './pods/pod-life.js';
import { PodRegistry, type PodSettings } from './pods/registry.js';
import type { Scenario } from './pods/scenario.js';
import { Store } from './store.js';

/** How a simulator starts; everything has a default. */
export interface SimulatorOptions {
  /** Port on the loopback interface; default any that is free. */
  port?: number;
  /** Namespaces beside `default` and `kube-system`. */
  namespaces?: readonly string[];
  /** What `GET /version` says; default 1.34.4. */
  version?: { major: string; minor: string; gitVersion: string };
  /** How container logs are written, rotated and followed. */
  log?: Partial<LogSettings>;
  /** How fast things happen. */
  pace?: Partial<Pace>;
  /** Gives the script that a container runs instead of its command. */
  script?: (pod: Pod, spec: ContainerSpec) => Script | undefined;
  /** Gives a pod's misfortunes, in addition to those of its annotation. */
  scenario?: (pod: Pod) => Scenario | undefined;
  /** Milliseconds between the bookmarks of a watch; default 60000. */
  bookmarkMs?: number;
}

/** A running simulator. */
export interface Simulator {
  readonly url: string;
  /** The text of a kubeconfig that leads here. */
  kubeconfig(options?: KubeconfigOptions): string;
  /** What goes wrong with requests. */
  readonly faults: Faults;
  /** All requests so far, oldest first. */
  readonly requests: readonly RecordedRequest[];
  /** Settings for pods that are created from now on. */
  readonly settings: PodSettings;
  /** A pod, to look into and to do things to; undefined if there is none of that name. */
  pod(name: string, namespace?: string): PodLife | undefined;
  /** The pods there are. */
  pods(): Pod[];
  addNamespace(name: string): void;
  /** Forbids as RBAC does. @returns a function that allows it again */
  forbid(rule: ForbidRule): () => void;
  /** From now on the token of `kubeconfig({ auth: 'token' })` is answered with 401. */
  expireToken(): void;
  /** From now on client certificates are answered with 401. */
  refuseCertificates(): void;
  /** Forgets past changes: a watch from before is answered with 410 Gone. */
  compact(): void;
  /** Breaks all connections; new ones are accepted. */
  dropConnections(): void;
  /** The API vanishes: all connections break and new ones are refused. Containers go on. */
  stopListening(): Promise<void>;
  /** The API comes back, on the same port. */
  startListening(): Promise<void>;
  /** Ends all, kills all processes, leaves nothing behind. */
  close(): Promise<void>;
}

const PACE: Pace = { stepMs: 0, imagePullMs: 250, runningSeenMs: 0, phaseLagMs: 5 };

/**
 * Starts a Kubernetes API on the loopback interface that runs pods as processes of this machine.
 * @throws Error if it cannot listen on the port
 */
export const startSimulator = async (options: SimulatorOptions = {}): Promise<Simulator> => {
  const identity = await createIdentity();
  const store = new Store();
  for (const name of new Set(['default', 'kube-system', ...(options.namespaces ?? [])]))
    addNamespace(store, name);
  const directory = mkdtempSync(join(tmpdir(), 'kubernetes-simulator-'));
  const settings: PodSettings = {
    pace: { ...PACE, ...options.pace },
    log: { ...options.log },
    script: options.script ?? (() => undefined),
    scenario: options.scenario ?? (() => undefined),
  };
  const pods = new PodRegistry(store, directory, settings);
  const access = new Access();
  access.addToken(identity.token, 'system:serviceaccount:default:tester');
  const faults = new Faults();
  const cluster = { store, pods, bookmarkMs: options.bookmarkMs ?? 60_000 };
  const server = new ApiServer({ identity, access, faults, cluster, version: options.version ?? VERSION });
  try {
    await server.listen(options.port ?? 0);
  } catch (error) {
    rmSync(directory, { recursive: true, force: true });
    throw error;
  }
  return {
    url: server.url,
    kubeconfig: (how) => kubeconfigText(identity, server.url, how),
    faults,
    requests: server.requests,
    settings,
    pod: (name, namespace = 'default') => pods.find(namespace, name),
    pods: () => store.pods.all(),
    addNamespace: (name) => addNamespace(store, name),
    forbid: (rule) => access.forbid(rule),
    expireToken: () => access.expireToken(identity.token),
    refuseCertificates: () => access.refuseCertificates(),
    compact: () => store.pods.compact(),
    dropConnections: () => server.dropConnections(),
    stopListening: () => server.stop(),
    startListening: () => server.listen(),
    close: async () => {
      await server.stop();
      await pods.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
};
