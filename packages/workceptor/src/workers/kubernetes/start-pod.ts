import { errorText } from '../../error-text.js';
import type { StatusChange, UnitHandle } from '../../worker.js';
import { ApiError, type KubernetesApi } from './api.js';
import { backoffMs, pause } from './backoff.js';
import type { KubernetesContext } from './context.js';
import { createPod } from './create-pod.js';
import type { KubernetesExtraData } from './extra-data.js';
import { type Pod, podPath } from './objects.js';
import { buildPod } from './pod.js';

/** What it takes to give a unit its pod. */
export interface StartPodOptions {
  context: KubernetesContext;
  unit: UnitHandle;
  api: KubernetesApi;
  /** The unit's; the pod's name, UID and namespace are put in, and are on disk before anything depends on them. */
  extra: KubernetesExtraData;
  /** For a pod that calls back: where to. */
  environment?: Readonly<Record<string, string>>;
  signal: AbortSignal;
  /** Tells of a change that need not be durable. */
  report(change: StatusChange): void;
}

const LONGEST_WAIT_MS = 15_000;

/** Creates the unit's pod, or finds the one an earlier process created. @throws Error `Error creating pod: …` */
export async function startPod(options: StartPodOptions): Promise<void> {
  const { context, unit, api, extra, signal, environment } = options;
  const { settings, nodeId, habits } = context;
  // Referred to until the end, without which Node 20 may collect it: AbortSignal.any alone does not hold it.
  const timeout = deadlineSignal(extra.PodPendingDeadline);
  let trouble = '';
  try {
    const pod = buildPod({
      image: extra.Image,
      command: extra.Command,
      params: extra.Params,
      document: extra.KubePod,
      namespace: extra.KubeNamespace,
      workType: settings.workType,
      nodeId,
      unitId: unit.id,
      ...(environment ? { environment } : {}),
    });
    extra.KubeNamespace = pod.metadata?.namespace ?? extra.KubeNamespace;
    const created = await createPod({
      api,
      pod,
      name: extra.PodName,
      persistName: async (name) => {
        extra.PodName = name;
        // Without this on disk a pod could be created that nobody finds again.
        await unit.update({ extraData: { ...extra }, durable: true });
      },
      signal: timeout ? AbortSignal.any([signal, timeout]) : signal,
      tries: habits.tries,
      firstWaitMs: habits.firstWaitMs,
      // A name without a pod helps nobody.
      nothingMade: () => {
        extra.PodName = '';
      },
      onRetry: (why) => {
        trouble = why;
        options.report({ detail: `Connecting to Kubernetes; will try again: ${why}` });
      },
    });
    extra.PodName = created.metadata?.name ?? extra.PodName;
    extra.PodUID = created.metadata?.uid ?? '';
    await unit.update({ detail: 'Pod created', extraData: { ...extra }, durable: true });
  } catch (error) {
    if (signal.aborted) throw error;
    const words = timeout?.aborted ? 'timed out waiting for the condition' : errorText(error);
    const why = timeout?.aborted && trouble !== '' ? `${words}: ${trouble}` : words;
    throw new Error(`Error creating pod: ${why}`, { cause: error });
  }
}

/** Learns the UID of a pod that a Go daemon created. @throws Error `Error getting pod …` */
export async function adoptPod(options: Omit<StartPodOptions, 'environment' | 'report'>): Promise<void> {
  const { context, unit, api, extra, signal } = options;
  const { PodName: name, KubeNamespace: namespace } = extra;
  if (name === '') throw new Error('Error creating pod: the unit has no pod');
  for (let failures = 1; extra.PodUID === ''; failures++) {
    try {
      const pod = await api.json<Pod>({ path: podPath(namespace, name), signal });
      extra.PodUID = pod.metadata?.uid ?? '';
      await unit.update({ extraData: { ...extra }, durable: true });
      return;
    } catch (error) {
      if (!(error instanceof ApiError) || !error.transient) {
        throw new Error(`Error getting pod ${namespace}/${name}. Error: ${errorText(error)}`, {
          cause: error,
        });
      }
      await pause(Math.min(backoffMs(failures, context.habits.firstWaitMs), LONGEST_WAIT_MS), signal);
    }
  }
}

/** A signal for a moment; undefined where there is none. */
function deadlineSignal(deadline: string | undefined): AbortSignal | undefined {
  if (deadline === undefined) return undefined;
  const left = Date.parse(deadline) - Date.now();
  return AbortSignal.timeout(Math.min(Math.max(left, 0), 0x7fffffff));
}
