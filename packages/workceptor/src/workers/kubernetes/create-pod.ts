import { ApiError, type KubernetesApi } from './api.js';
import { backoffMs, pause } from './backoff.js';
import type { Pod } from './objects.js';
import { podPath } from './objects.js';
import { podName, UNIT_LABEL } from './pod.js';

/** What creating a pod takes. */
export interface CreateOptions {
  api: KubernetesApi;
  /** As `buildPod` makes it. */
  pod: Pod;
  /** The name an earlier process chose; empty where there was none. */
  name: string;
  /** Makes a chosen name durable, before it is used. */
  persistName(name: string): Promise<void>;
  /** Ends the waiting between tries; a request that is on its way is waited for, so that its pod is not lost. */
  signal: AbortSignal;
  /** How often a passing failure is borne. */
  tries: number;
  firstWaitMs: number;
  /** Told before each further try. */
  onRetry(why: string): void;
  /** Told where it ends in an error, but certainly without a pod. */
  nothingMade(): void;
}

/** Another pod may have the name we drew; more often than this it does not happen by chance. */
const NAMES_TRIED = 10;

const sameUnit = (one: Pod, other: Pod): boolean =>
  one.metadata?.labels?.[UNIT_LABEL] === other.metadata?.labels?.[UNIT_LABEL];

/**
 * Creates the pod of a unit, once: the name is chosen and written down first, so that a pod whose creation was not
 * answered, or was answered to a process that is no more, is found by it. Passing failures are borne as often as
 * configured; being throttled is no failure.
 * @throws ApiError when Kubernetes refuses, or failed too often
 */
export async function createPod(options: CreateOptions): Promise<Pod> {
  const { api, pod, signal } = options;
  const namespace = pod.metadata?.namespace ?? 'default';
  let name = options.name;
  let failures = 0;
  let first: ApiError | undefined;

  async function choose(): Promise<void> {
    name = podName(pod.metadata?.generateName ?? 'receptor-');
    await options.persistName(name);
  }

  /** The pod of that name, if it is this unit's. */
  async function find(): Promise<Pod | undefined> {
    try {
      const found = await api.json<Pod>({ path: podPath(namespace, name) });
      return sameUnit(found, pod) ? found : undefined;
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return undefined;
      throw error;
    }
  }

  async function post(): Promise<Pod> {
    const body: Pod = { ...pod, metadata: { ...pod.metadata, name } };
    return api.json<Pod>({ method: 'POST', path: podPath(namespace), body });
  }

  /** Whether there may be a pod of that name that is ours. */
  let uncertain = name !== '';

  /** Finds or creates it; undefined where another pod has the name. */
  async function attempt(): Promise<Pod | undefined> {
    const found = uncertain ? await find() : undefined;
    if (found) return found;
    uncertain = true;
    try {
      return await post();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      uncertain = error.uncertain;
      if (error.status !== 409 || error.reason !== 'AlreadyExists') throw error;
      uncertain = true;
      const taken = await find();
      uncertain = taken !== undefined;
      return taken;
    }
  }

  if (name === '') await choose();
  try {
    return await untilMade();
  } catch (error) {
    if (!uncertain) options.nothingMade();
    throw error;
  }

  async function untilMade(): Promise<Pod> {
    for (let names = 1; ; ) {
      signal.throwIfAborted();
      try {
        const made = await attempt();
        if (made) return made;
        names += 1;
        if (names > NAMES_TRIED) throw new Error(`pods "${name}" already exists`);
        await choose();
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        const throttled = error.status === 429;
        // A quota that was written by others at the same moment: the server says to try again.
        const passing = error.transient || (error.status === 409 && error.reason === 'Conflict');
        if (!passing) throw error;
        if (!throttled) failures += 1;
        // Later ones are about looking for what the first try may have made.
        first ??= error;
        if (failures >= options.tries) throw first;
        options.onRetry(error.message);
        await pause(error.retryAfterMs ?? backoffMs(Math.max(failures, 1), options.firstWaitMs), signal);
      }
    }
  }
}
