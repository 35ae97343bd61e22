import type { Logger } from '../../logger.js';
import type { Parameters, UnitHandle, Worker, WorkType } from '../../worker.js';
import type { KubernetesContext } from './context.js';
import { apiHabits } from './environment.js';
import { redactExtraData } from './extra-data.js';
import { checkKubernetesOptions, type KubernetesWorkTypeOptions } from './options.js';

/** What a work type in Kubernetes needs to know of the node it is on. */
export interface KubernetesEnvironment {
  /** Pods carry it as a label. */
  nodeId: string;
  /** Environment variables: `RECEPTOR_KUBE_*`, `KUBECONFIG`, `HOME`, `KUBERNETES_SERVICE_*`. Default: those of this process. */
  env?: Readonly<Record<string, string | undefined>>;
  log: Logger;
  /** Directory of the service account's files, for authmethod incluster. Default: where Kubernetes puts them. */
  serviceAccount?: string;
}

/**
 * Makes a work type that runs units in pods (reference: kubernetes). What talks to a cluster is loaded when the first
 * unit needs it.
 * @throws ReceptorError `RECEPTOR_CONFIG_INVALID` in the words of the reference
 */
export function kubernetesWorkType(
  options: KubernetesWorkTypeOptions,
  environment: KubernetesEnvironment,
): WorkType {
  const settings = checkKubernetesOptions(options);
  const { nodeId, log, serviceAccount, env = process.env } = environment;
  const habits = apiHabits(env, log);
  const context: KubernetesContext = {
    settings,
    nodeId,
    env,
    habits,
    limiter: habits.limiter(),
    log,
    ...(serviceAccount === undefined ? {} : { serviceAccount }),
  };
  return {
    name: settings.workType,
    verifiesSignature: settings.verifySignature,
    ...(options.maxRunning === undefined ? {} : { maxRunning: options.maxRunning }),
    async prepare(parameters: Parameters, origin) {
      const { readParameters } = await import('./parameters.js');
      return readParameters(settings, parameters, origin);
    },
    createWorker: (unit) => new LazyWorker(unit, context),
    redact: redactExtraData,
    async free(leftover, signal) {
      const { freePod } = await import('./leftover.js');
      await freePod(context, leftover, signal);
    },
    async sweep(isUnit, signal) {
      // Where only submits say which cluster it is, there is nowhere to look.
      if (settings.authMethod === 'runtime') return;
      const { sweepOrphans } = await import('./orphans.js');
      await sweepOrphans(context, isUnit, signal);
    },
  };
}

/** Stands for a {@link KubernetesWorker} until there is something for it to do. */
class LazyWorker implements Worker {
  readonly #unit: UnitHandle;
  readonly #context: KubernetesContext;
  #worker: Promise<Worker> | undefined;

  constructor(unit: UnitHandle, context: KubernetesContext) {
    this.#unit = unit;
    this.#context = context;
  }

  start = async (): Promise<void> => (await this.#load()).start();
  resume = async (): Promise<void> => (await this.#load()).resume();
  cancel = async (): Promise<void> => (await this.#load()).cancel();
  release = async (): Promise<void> => (await this.#load()).release(false);
  /** Nothing was loaded, nothing is held. */
  detach = async (): Promise<void> => (await this.#worker)?.detach();

  #load(): Promise<Worker> {
    this.#worker ??= import('./worker.js').then(
      ({ KubernetesWorker }) => new KubernetesWorker(this.#unit, this.#context),
    );
    return this.#worker;
  }
}
