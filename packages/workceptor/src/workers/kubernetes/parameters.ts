import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { parseDurationMs, ReceptorError } from '@receptor/protocol';
import { errorText } from '../../error-text.js';
import type { Origin, Parameters } from '../../worker.js';
import { currentAccess, localReach, parseKubeconfig } from './access/kubeconfig.js';
import type { KubernetesExtraData } from './extra-data.js';
import type { KubernetesSettings } from './options.js';
import { KUBERNETES_PARAMETERS } from './runtime-parameters.js';

type RuntimeParameter = keyof typeof KUBERNETES_PARAMETERS;
type Rule = (typeof KUBERNETES_PARAMETERS)[RuntimeParameter];

const refused = (message: string): ReceptorError =>
  new ReceptorError('RECEPTOR_PARAMETER_NOT_ALLOWED', message);
const wrong = (message: string): ReceptorError => new ReceptorError('RECEPTOR_PARAMETER_INVALID', message);

async function readNamed(what: string, file: string): Promise<string> {
  if (file === '') return '';
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw wrong(`could not read ${what}: ${errorText(error)}`);
  }
}

/** A kubeconfig from afar may not make this host read its files or run its programs. */
function refuseLocalReach(kubeconfig: string, origin: Origin): void {
  let reach: string[];
  try {
    reach = localReach(currentAccess(parseKubeconfig(kubeconfig)));
  } catch {
    return; // Malformed: it is of no use to anybody, and the start says what is wrong with it.
  }
  if (reach.length === 0) return;
  const from = origin === 'mesh' ? 'the mesh' : 'TCP';
  throw refused(
    `secret_kube_config names files or programs of this node (${reach.join(', ')}), which is not allowed over ${from} ` +
      'without allowruntimekubeconfigfiles; put the certificates and the token into the kubeconfig itself',
  );
}

/**
 * Checks a submit's parameters against what the work type allows (reference: kubernetes, 2), reads the files that
 * the configuration names, and makes the ExtraData a unit starts with. Unknown parameters are ignored.
 * @throws ReceptorError `RECEPTOR_PARAMETER_NOT_ALLOWED`, `RECEPTOR_PARAMETER_INVALID`, `RECEPTOR_DURATION_INVALID`
 */
export async function readParameters(
  settings: KubernetesSettings,
  parameters: Parameters,
  origin: Origin,
): Promise<KubernetesExtraData> {
  const podFile = await readNamed('pod', settings.pod);
  const kubeconfigFile = await readNamed('kubeconfig', settings.kubeConfig);
  const given = {} as Record<RuntimeParameter, string>;
  for (const [name, { allowedBy }] of Object.entries(KUBERNETES_PARAMETERS) as [RuntimeParameter, Rule][]) {
    given[name] = parameters[name] ?? '';
    if (given[name] !== '' && !settings[allowedBy]) throw refused(`${name} provided but not allowed`);
  }
  if (settings.authMethod === 'runtime' && given.secret_kube_config === '') {
    throw wrong('param secret_kube_config must be provided if AuthMethod=runtime');
  }
  if (given.secret_kube_pod !== '' && (given.kube_params || given.kube_command || given.kube_image)) {
    throw wrong('params kube_command, kube_image, kube_params not compatible with secret_kube_pod');
  }
  if (given.pod_pending_timeout !== '') parseDurationMs(given.pod_pending_timeout);
  if (given.secret_kube_config !== '' && origin !== 'unix' && !settings.allowRuntimeKubeConfigFiles) {
    refuseLocalReach(given.secret_kube_config, origin);
  }
  const ownPod = given.secret_kube_pod !== '';
  const fromFile = given.secret_kube_config === '' && settings.kubeConfig !== '';
  return {
    Image: ownPod ? '' : given.kube_image || settings.image,
    Command: ownPod ? '' : given.kube_command || settings.command,
    Params: ownPod ? '' : [settings.params, given.kube_params].filter((part) => part !== '').join(' '),
    KubeNamespace: given.kube_namespace || settings.namespace,
    KubeConfig: given.secret_kube_config || kubeconfigFile,
    KubePod: given.secret_kube_pod || podFile,
    PodName: '',
    PodUID: '',
    ...(fromFile ? { KubeConfigDirectory: dirname(resolve(settings.kubeConfig)) } : {}),
    ...(given.pod_pending_timeout === '' ? {} : { PodPendingTimeout: given.pod_pending_timeout }),
  };
}
