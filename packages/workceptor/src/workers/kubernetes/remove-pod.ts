import { ApiError, type KubernetesApi } from './api.js';
import { type Pod, podPath } from './objects.js';
import { UNIT_LABEL } from './pod.js';

/** A pod that is to go. */
export interface PodToRemove {
  namespace: string;
  name: string;
  /** Empty where it is not known; then the pod is looked at first, and must not be another unit's. */
  uid: string;
  /** Whether it was made by a Go daemon, which sets no labels. */
  foreign?: boolean | undefined;
  /** Value of the unit's label. */
  unit: string;
}

/**
 * Deletes a pod, and no other one that has come to its name.
 * @returns false when there is no such pod (any more)
 * @throws ApiError
 */
export async function removePod(
  api: KubernetesApi,
  pod: PodToRemove,
  signal?: AbortSignal,
): Promise<boolean> {
  const path = podPath(pod.namespace, pod.name);
  const limit = signal ? { signal } : {};
  try {
    let { uid } = pod;
    if (uid === '') {
      const found = await api.json<Pod>({ path, ...limit });
      const label = found.metadata?.labels?.[UNIT_LABEL];
      if (label !== pod.unit && !(pod.foreign && label === undefined)) return false;
      uid = found.metadata?.uid ?? '';
    }
    const body = { kind: 'DeleteOptions', apiVersion: 'v1', ...(uid ? { preconditions: { uid } } : {}) };
    await api.json({ method: 'DELETE', path, body, ...limit });
    return true;
  } catch (error) {
    // 409: the precondition does not hold, so the pod that was ours is gone.
    if (error instanceof ApiError && (error.status === 404 || error.status === 409)) return false;
    throw error;
  }
}
