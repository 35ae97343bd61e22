import {
  commandWorkType,
  kubernetesWorkType,
  type Logger,
  pythonWorkType,
  type WorkType,
} from '@receptor/workceptor';
import type { ConfigItem } from './config/item.js';

/** What a work type needs to know of the node. */
export interface WorkTypeSurroundings {
  nodeId: string;
  /** Variables that the configuration sets for work in Kubernetes. */
  kubernetesEnvironment: Record<string, string>;
  log: Logger;
}

/** In the configuration, 0 is no limit. */
const limit = (maxRunning: number) => (maxRunning === 0 ? {} : { maxRunning });

/** The work type that a section of the configuration declares; undefined for other sections. */
export function workTypeOf(
  item: ConfigItem,
  { nodeId, kubernetesEnvironment, log }: WorkTypeSurroundings,
): WorkType | undefined {
  switch (item.section) {
    case 'work-command': {
      const { worktype, command, params, allowruntimeparams, verifysignature, maxrunningunits } =
        item.settings;
      return commandWorkType({
        workType: worktype,
        command,
        params,
        allowRuntimeParams: allowruntimeparams,
        verifySignature: verifysignature,
        ...limit(maxrunningunits),
      });
    }
    case 'work-kubernetes': {
      const { settings } = item;
      return kubernetesWorkType(
        {
          workType: settings.worktype,
          namespace: settings.namespace,
          image: settings.image,
          command: settings.command,
          params: settings.params,
          authMethod: settings.authmethod,
          kubeConfig: settings.kubeconfig,
          pod: settings.pod,
          allowRuntimeAuth: settings.allowruntimeauth,
          allowRuntimeCommand: settings.allowruntimecommand,
          allowRuntimeParams: settings.allowruntimeparams,
          allowRuntimePod: settings.allowruntimepod,
          allowRuntimeKubeConfigFiles: settings.allowruntimekubeconfigfiles,
          deletePodOnRestart: settings.deletepodonrestart,
          streamMethod: settings.streammethod,
          failOnNonZeroExit: settings.failonnonzeroexit,
          deleteOrphanPods: settings.deleteorphanpods,
          verifySignature: settings.verifysignature,
          ...limit(settings.maxrunningunits),
        },
        { nodeId, log, env: { ...process.env, ...kubernetesEnvironment } },
      );
    }
    case 'work-python': {
      const { worktype, plugin, config } = item.settings;
      return pythonWorkType({ workType: worktype, plugin, function: item.settings.function, config });
    }
    default:
      return undefined;
  }
}
