import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { parseDurationMs, ReceptorError } from '@receptor/protocol';
import { errorText } from '../../error-text.js';
import type { Origin, Parameters } from '../../worker.js';
import { currentAccess, localReach, parseKubeconfig } from './access/kubeconfig.js';
import type { KubernetesExtraData } from './extra-data.js';
import type { KubernetesSettings } from './options.js';

type Permission = 'allowRuntimeAuth' | 'allowRuntimeCommand' | 'allowRuntimeParams' | 'allowRuntimePod';

/**
 * What a submit may say about its pod, what that is, and the option of the work type that allows it; checked in this
 * order.
 */
export const KUBERNETES_PARAMETERS = {
  kube_command: {
    allowedBy: 'allowRuntimeCommand',
    help: 'The command of the container, in place of `command`',
  },
  kube_image: { allowedBy: 'allowRuntimeCommand', help: 'The image of the container, in place of `image`' },
  kube_params: {
    allowedBy: 'allowRuntimeParams',
    help: 'Parameters of the command, after those of `params`; split as a shell does',
  },
  kube_namespace: {
    allowedBy: 'allowRuntimeAuth',
    help: 'The namespace of the pod, in place of `namespace`',
  },
  secret_kube_config: {
    allowedBy: 'allowRuntimeAuth',
    help: 'The text of a kubeconfig, in place of the file of `kubeconfig`',
  },
  secret_kube_pod: {
    allowedBy: 'allowRuntimePod',
    help:
      'The text of a pod, in JSON or YAML, in place of the file of `pod`; not together with `kube_image`, ' +
      '`kube_command` or `kube_params`',
  },
  pod_pending_timeout: {
    allowedBy: 'allowRuntimeParams',
    help: 'How long the pod may be pending, such as `1h20m30s`; 0 or nothing is without limit',
  },
} as const satisfies Readonly<Record<string, { readonly allowedBy: Permission; readonly help: string }>>;

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
