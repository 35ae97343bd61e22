import type { Gap, Uncertain } from './output/index.js';

/** `ExtraData` of a unit in Kubernetes. The first seven members are the Go daemon's; it reads past the others. */
export interface KubernetesExtraData {
  Image: string;
  Command: string;
  Params: string;
  /** The namespace the pod is in, also where its own document named it. */
  KubeNamespace: string;
  /** Text of the kubeconfig. Secret. */
  KubeConfig: string;
  /** Text of the pod's document. Secret. */
  KubePod: string;
  /** Chosen and written before the pod is created, so that it is found again whatever happens. */
  PodName: string;
  /** Empty until the pod is known to exist. */
  PodUID: string;
  /** Where the configured kubeconfig stands; files it names count from there. */
  KubeConfigDirectory?: string;
  /** `pod_pending_timeout` as it was given. */
  PodPendingTimeout?: string;
  /** The moment at which the pod must have begun to run. */
  PodPendingDeadline?: string;
  /** The unit is being cancelled, and its pod may be gone already. */
  Canceling?: boolean;
  /** Exit code of the worker; null where it was not seen to end. */
  ExitCode?: number | null;
  /** Kubernetes' word for how it ended: `Completed`, `Error`, `OOMKilled`, `Evicted` … */
  Reason?: string;
  /** Output that could not be had from the cluster; empty where the output is whole. */
  Gaps?: readonly Gap[];
  /** Parts of the output from which carriage returns may be missing; absent where there is no sign of that. */
  Uncertain?: readonly Uncertain[];
  /** What else was noticed while the output was collected. */
  Notes?: readonly string[];
}

/** ExtraData without what replies must not show. */
export function redactExtraData(extraData: unknown): unknown {
  if (typeof extraData !== 'object' || extraData === null) return extraData;
  return { ...extraData, KubeConfig: '', KubePod: '' };
}

/** Whether a Go daemon wrote this: it knows no UIDs. */
export function isForeign(extraData: unknown): boolean {
  return typeof extraData === 'object' && extraData !== null && !('PodUID' in extraData);
}

/** ExtraData as it was read from disk; what a Go daemon or a hand left out or spoilt is empty. */
export function readExtraData(extraData: unknown): KubernetesExtraData {
  const raw =
    typeof extraData === 'object' && extraData !== null ? (extraData as Record<string, unknown>) : {};
  const text = (member: string): string => (typeof raw[member] === 'string' ? raw[member] : '');
  return {
    ...raw,
    Image: text('Image'),
    Command: text('Command'),
    Params: text('Params'),
    KubeNamespace: text('KubeNamespace'),
    KubeConfig: text('KubeConfig'),
    KubePod: text('KubePod'),
    PodName: text('PodName'),
    PodUID: text('PodUID'),
  };
}
