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
