import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { errorText } from '../../error-text.js';
import { ApiError, type KubernetesApi } from './api.js';
import { backoffMs, pause } from './backoff.js';
import type { KubernetesClient } from './client.js';
import { connect } from './connection.js';
import type { KubernetesContext } from './context.js';
import { type PodList, podPath } from './objects.js';
import { labelValue, NODE_LABEL, UNIT_LABEL, WORK_TYPE_LABEL } from './pod.js';
import { removePod } from './remove-pod.js';

/** The pages in which pods are listed. */
const PAGE = 500;

async function* podsOf(api: KubernetesApi, namespace: string, labels: string, signal: AbortSignal) {
  let next: string | undefined;
  do {
    const query = { labelSelector: labels, limit: PAGE, continue: next };
    const list: PodList = await api.json<PodList>({ path: podPath(namespace), query, signal });
    yield* list.items ?? [];
    next = list.metadata?.continue || undefined;
  } while (next !== undefined);
}

/** How often the API is asked again that does not answer: first after so long, then ever more rarely. */
const FIRST_WAIT_MS = 5_000;

/**
 * Reports the pods of a work type whose unit is gone, and deletes them where `deleteorphanpods` says so; asks on while the
 * API does not answer. Looks where the configuration leads: pods in a cluster or namespace that only a submit named
 * are not found.
 * @throws Error when the API refuses, or the configuration leads nowhere
 */
export async function sweepOrphans(
  context: KubernetesContext,
  isUnit: (id: string) => boolean,
  signal: AbortSignal,
): Promise<void> {
  for (let failures = 1; ; failures++) {
    try {
      return await sweepOnce(context, isUnit, signal);
    } catch (error) {
      if (!(error instanceof ApiError) || !error.transient) throw error;
      context.log.debug(
        `Looking for orphan pods of ${context.settings.workType} again later: ${error.message}`,
      );
      await pause(error.retryAfterMs ?? backoffMs(failures, FIRST_WAIT_MS), signal);
    }
  }
}

async function sweepOnce(
  context: KubernetesContext,
  isUnit: (id: string) => boolean,
  signal: AbortSignal,
): Promise<void> {
  const { settings, nodeId, log } = context;
  const client = await connectAsConfigured(context);
  if (!client) return;
  try {
    const namespace = settings.namespace || client.defaultNamespace;
    const labels = `${NODE_LABEL}=${labelValue(nodeId)},${WORK_TYPE_LABEL}=${labelValue(settings.workType)}`;
    for await (const { metadata = {} } of podsOf(client, namespace, labels, signal)) {
      const unit = metadata.labels?.[UNIT_LABEL] ?? '';
      const { name = '', uid = '' } = metadata;
      if (unit === '' || isUnit(unit) || metadata.deletionTimestamp) continue;
      if (!settings.deleteOrphanPods) {
        log.warning(`Pod ${namespace}/${name} belongs to unit ${unit}, which does not exist any more`);
        continue;
      }
      await removePod(client, { namespace, name, uid, unit }, signal);
      log.warning(`Deleted pod ${namespace}/${name} of unit ${unit}, which does not exist any more`);
    }
  } finally {
    client.close();
  }
}

/** A client as the configuration has it; undefined where only submits say which cluster it is. */
async function connectAsConfigured(context: KubernetesContext): Promise<KubernetesClient | undefined> {
  const { settings, log } = context;
  const { kubeConfig: file, namespace, authMethod, allowRuntimeAuth } = settings;
  const KubeConfig = file === '' ? '' : await readFile(file, 'utf8');
  const from = file === '' ? {} : { KubeConfigDirectory: dirname(resolve(file)) };
  try {
    return await connect(context, { KubeConfig, KubeNamespace: namespace, ...from });
  } catch (error) {
    if (authMethod !== 'kubeconfig' || file !== '' || !allowRuntimeAuth) throw error;
    log.debug(`No kubeconfig to look for orphan pods of ${settings.workType} with: ${errorText(error)}`);
    return undefined;
  }
}
