import { findAccess } from './access/connect.js';
import { proxyFromEnvironment } from './access/proxy.js';
import { createClient, type KubernetesClient } from './client.js';
import type { KubernetesContext } from './context.js';
import type { KubernetesExtraData } from './extra-data.js';

/**
 * A client for a unit's cluster. Nothing is sent yet.
 * @throws ReceptorError `RECEPTOR_WORK_START_FAILED` when the kubeconfig or the surroundings cannot be used
 */
export async function connect(
  context: KubernetesContext,
  unit: Pick<KubernetesExtraData, 'KubeConfig' | 'KubeConfigDirectory' | 'KubeNamespace'>,
): Promise<KubernetesClient> {
  const { settings, env, limiter, serviceAccount } = context;
  const access = await findAccess(settings.authMethod, unit, env, serviceAccount);
  const proxyUrl = access.proxyUrl ?? proxyFromEnvironment(access.server, env);
  return createClient(proxyUrl === undefined ? access : { ...access, proxyUrl }, { limiter });
}
