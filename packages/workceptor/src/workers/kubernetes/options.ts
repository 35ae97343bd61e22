import { statSync } from 'node:fs';
import { ReceptorError } from '@receptor/protocol';
import { errorText } from '../../error-text.js';

/** A `work-kubernetes` section of the configuration (reference: kubernetes, 1). */
export interface KubernetesWorkTypeOptions {
  workType: string;
  /** Namespace of the pods. Needed unless authmethod is kubeconfig or `allowRuntimeAuth` is set. */
  namespace?: string;
  image?: string;
  /** Replaces the image's entrypoint; split by the rules of a shell. */
  command?: string;
  /** Arguments; split by the rules of a shell. */
  params?: string;
  /** `kubeconfig`, `incluster` (default) or `runtime`, in any case. */
  authMethod?: string;
  /** File, read at each submit. Only with authmethod kubeconfig; default: `KUBECONFIG`, or `~/.kube/config`. */
  kubeConfig?: string;
  /** File with a pod in YAML or JSON, read at each submit. */
  pod?: string;
  /** Allows `kube_namespace` and `secret_kube_config`. */
  allowRuntimeAuth?: boolean;
  /** Allows `kube_image` and `kube_command`. */
  allowRuntimeCommand?: boolean;
  /** Allows `kube_params` and `pod_pending_timeout`. */
  allowRuntimeParams?: boolean;
  /** Allows `secret_kube_pod`. */
  allowRuntimePod?: boolean;
  /**
   * Lets a kubeconfig that was submitted over TCP or the mesh name files and programs of this host. Without it
   * that is refused: it would be remote file reading and remote execution. The local Unix socket needs it not.
   */
  allowRuntimeKubeConfigFiles?: boolean;
  /** Whether the pod of a unit that a restart cannot take up is deleted. Default: yes. */
  deletePodOnRestart?: boolean;
  /** `logger` (default) or `tcp`, in any case. */
  streamMethod?: string;
  /** Makes a unit Failed whose worker ended by itself with an exit code other than 0. Default: it is Succeeded. */
  failOnNonZeroExit?: boolean;
  /** Deletes, at start, the pods of this work type whose unit is gone; without, they are reported only. */
  deleteOrphanPods?: boolean;
  /** See {@link WorkType.maxRunning}; counted from the start of a unit to its end, also while its pod waits for a node. */
  maxRunning?: number;
  /** Whether submits must be signed. */
  verifySignature?: boolean;
}

export type AuthMethod = 'kubeconfig' | 'incluster' | 'runtime';
export type StreamMethod = 'logger' | 'tcp';

/** {@link KubernetesWorkTypeOptions} with every member set that the worker goes by, and the words in lower case. */
export interface KubernetesSettings extends Required<Omit<KubernetesWorkTypeOptions, 'maxRunning'>> {
  authMethod: AuthMethod;
  streamMethod: StreamMethod;
}

const invalid = (message: string): ReceptorError => new ReceptorError('RECEPTOR_CONFIG_INVALID', message);

/**
 * Checks a `work-kubernetes` section, in the order and words of the reference, and fills in the defaults.
 * @throws ReceptorError `RECEPTOR_CONFIG_INVALID`
 */
export function checkKubernetesOptions(options: KubernetesWorkTypeOptions): KubernetesSettings {
  const given = { namespace: '', image: '', command: '', params: '', kubeConfig: '', pod: '', ...options };
  const allow = {
    allowRuntimeAuth: options.allowRuntimeAuth ?? false,
    allowRuntimeCommand: options.allowRuntimeCommand ?? false,
    allowRuntimeParams: options.allowRuntimeParams ?? false,
    allowRuntimePod: options.allowRuntimePod ?? false,
    allowRuntimeKubeConfigFiles: options.allowRuntimeKubeConfigFiles ?? false,
  };
  const authMethod = (options.authMethod ?? 'incluster').toLowerCase();
  if (authMethod !== 'kubeconfig' && authMethod !== 'incluster' && authMethod !== 'runtime') {
    throw invalid(`invalid AuthMethod: ${options.authMethod}`);
  }
  if (given.namespace === '' && authMethod !== 'kubeconfig' && !allow.allowRuntimeAuth) {
    throw invalid('must provide namespace when AuthMethod is not kubeconfig');
  }
  if (given.kubeConfig !== '') {
    if (authMethod !== 'kubeconfig') throw invalid('can only provide KubeConfig when AuthMethod=kubeconfig');
    try {
      statSync(given.kubeConfig);
    } catch (error) {
      throw invalid(`error accessing kubeconfig file: ${errorText(error)}`);
    }
  }
  if (given.pod !== '' && (given.image !== '' || given.command !== '' || given.params !== '')) {
    throw invalid('can only provide Pod when Image, Command, and Params are empty');
  }
  if (given.pod === '' && given.image === '' && !allow.allowRuntimeCommand && !allow.allowRuntimePod) {
    throw invalid('must specify a container image to run');
  }
  const streamMethod = (options.streamMethod ?? 'logger').toLowerCase();
  if (streamMethod !== 'logger' && streamMethod !== 'tcp') throw invalid('stream mode must be logger or tcp');
  return {
    ...given,
    ...allow,
    authMethod,
    streamMethod,
    deletePodOnRestart: options.deletePodOnRestart ?? true,
    failOnNonZeroExit: options.failOnNonZeroExit ?? false,
    deleteOrphanPods: options.deleteOrphanPods ?? false,
    verifySignature: options.verifySignature ?? false,
  };
}
