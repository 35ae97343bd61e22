import { access as accessible, readFile } from 'node:fs/promises';
import { isIPv6 } from 'node:net';
import { delimiter, dirname, join, resolve } from 'node:path';
import { ReceptorError } from '@receptor/protocol';
import { errorCode, errorText } from '../../../error-text.js';
import type { KubernetesExtraData } from '../extra-data.js';
import type { AuthMethod } from '../options.js';
import {
  type ClusterAccess,
  currentAccess,
  type Kubeconfig,
  mergeKubeconfigs,
  parseKubeconfig,
} from './kubeconfig.js';

/** The variables that say where a cluster is. */
export type ConnectEnvironment = Readonly<Record<string, string | undefined>>;

const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';

const failed = (message: string): ReceptorError => new ReceptorError('RECEPTOR_WORK_START_FAILED', message);

/** The cluster this process runs in a pod of. Token and certificate stay files: they are renewed under way. */
async function inCluster(env: ConnectEnvironment, root: string): Promise<ClusterAccess> {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = env;
  if (!host || !port) {
    throw failed(
      'unable to load in-cluster configuration, KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT must be defined',
    );
  }
  const tokenFile = join(root, 'token');
  try {
    await readFile(tokenFile);
  } catch (error) {
    throw failed(errorText(error));
  }
  const access: ClusterAccess = {
    server: `https://${isIPv6(host) ? `[${host}]` : host}:${port}`,
    skipTlsVerify: false,
    tokenFile,
    impersonate: {},
  };
  const ca = join(root, 'ca.crt');
  if (await exists(ca)) access.ca = { file: ca };
  const namespace = await readFile(join(root, 'namespace'), 'utf8').catch(() => '');
  if (namespace.trim() !== '') access.namespace = namespace.trim();
  return access;
}

async function exists(file: string): Promise<boolean> {
  return accessible(file).then(
    () => true,
    () => false,
  );
}

/** The files that `KUBECONFIG` names, or `~/.kube/config`, as one. Missing ones are left out, as kubectl does. */
async function defaultKubeconfig(env: ConnectEnvironment, needsNamespace: boolean): Promise<Kubeconfig> {
  const listed = (env.KUBECONFIG ?? '').split(delimiter).filter((file) => file !== '');
  const files = listed.length > 0 ? listed : [join(env.HOME ?? '', '.kube', 'config')];
  const configs: Kubeconfig[] = [];
  let missing = '';
  for (const file of files) {
    try {
      configs.push(parseKubeconfig(await readFile(file, 'utf8'), dirname(resolve(file))));
    } catch (error) {
      if (errorCode(error) !== 'ENOENT')
        throw error instanceof ReceptorError ? error : failed(errorText(error));
      missing ||= `stat ${file}: no such file or directory`;
    }
  }
  if (configs.length === 0)
    throw failed(needsNamespace ? `could not determine namespace: ${missing}` : missing);
  const merged = mergeKubeconfigs(configs);
  if (needsNamespace && !merged.contexts[merged.currentContext]) {
    throw failed('could not determine namespace');
  }
  return merged;
}

/**
 * Where the cluster of a unit is, and how to be believed there (reference: kubernetes, 3).
 * @throws ReceptorError `RECEPTOR_WORK_START_FAILED`
 */
export async function findAccess(
  method: AuthMethod,
  unit: Pick<KubernetesExtraData, 'KubeConfig' | 'KubeConfigDirectory' | 'KubeNamespace'>,
  env: ConnectEnvironment,
  serviceAccount = SERVICE_ACCOUNT,
): Promise<ClusterAccess> {
  // As with the Go daemon, a kubeconfig has no say where the configuration asks for the cluster around it.
  if (method === 'incluster') return inCluster(env, serviceAccount);
  if (unit.KubeConfig !== '')
    return currentAccess(parseKubeconfig(unit.KubeConfig, unit.KubeConfigDirectory));
  return currentAccess(await defaultKubeconfig(env, unit.KubeNamespace === ''));
}
