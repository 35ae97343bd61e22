import type { Logger } from '../../logger.js';
import type { KubernetesApi } from './api.js';
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

/**
 * Reports the pods of a work type whose unit is gone, and deletes them where `deleteorphanpods` says so. Looks where
 * the configuration leads: pods in a cluster or namespace that only a submit named are not found.
 */
export async function sweepOrphans(
  context: KubernetesContext,
  isUnit: (id: string) => boolean,
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  const { settings, nodeId } = context;
  const client = await connect(context, {
    KubeConfig: await configured(context),
    KubeNamespace: settings.namespace,
  });
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

async function configured({ settings }: KubernetesContext): Promise<string> {
  if (settings.kubeConfig === '') return '';
  const { readFile } = await import('node:fs/promises');
  return readFile(settings.kubeConfig, 'utf8');
}
