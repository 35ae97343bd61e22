import type { Script } from '../container/script.js';
import type { LogSettings } from '../log/container-log.js';
import type { ContainerSpec, Pod } from '../objects.js';
import { alreadyExists, badRequest, quotaExceeded, Refusal } from '../status.js';
import type { Store } from '../store.js';
import { admitPod } from './admission.js';
import { type Pace, PodLife } from './pod-life.js';
import { type Scenario, scenarioOf } from './scenario.js';

/** Settings that hold for pods created from now on. */
export interface PodSettings {
  pace: Pace;
  log: Partial<LogSettings>;
  /** Gives the script that a container runs instead of its command; undefined runs the command. */
  script: (pod: Pod, spec: ContainerSpec) => Script | undefined;
  /** Gives a pod's misfortunes, in addition to those of its annotation. */
  scenario: (pod: Pod) => Scenario | undefined;
}

/** The pods of the cluster and their lives. */
export class PodRegistry {
  readonly settings: PodSettings;
  readonly #store: Store;
  readonly #directory: string;
  readonly #lives = new Map<string, PodLife>();
  /** Lives of deleted pods that still have a process to end. */
  readonly #ending = new Set<Promise<void>>();

  constructor(store: Store, directory: string, settings: PodSettings) {
    this.#store = store;
    this.#directory = directory;
    this.settings = settings;
  }

  /** Creates a pod from the body of a request. @throws Refusal */
  create(body: string, namespace: string): Pod {
    const pod = admitPod(body, namespace);
    const { name } = pod.metadata;
    const scenario = this.#scenario(pod);
    if (scenario.quotaExceeded !== undefined) throw quotaExceeded(name, scenario.quotaExceeded);
    if (this.#store.pods.get(namespace, name)) throw alreadyExists('pods', name);
    const stored = this.#store.pods.put(pod);
    const life = new PodLife(stored, scenario, {
      store: this.#store,
      directory: this.#directory,
      pace: this.settings.pace,
      log: this.settings.log,
      script: this.settings.script,
    });
    this.#lives.set(`${namespace}/${name}`, life);
    life.gone.addEventListener('abort', () => this.#forget(life), { once: true });
    life.start();
    return stored;
  }

  find(namespace: string, name: string): PodLife | undefined {
    return this.#lives.get(`${namespace}/${name}`);
  }

  /** Deletes a pod and returns it as it is now; its end follows. @throws Refusal if it is not the pod with that UID. */
  delete(life: PodLife, asked: { graceSeconds?: number | undefined; uid?: string | undefined }): Pod {
    if (asked.uid !== undefined && asked.uid !== life.uid)
      throw new Refusal(
        409,
        'Conflict',
        `Operation cannot be fulfilled on Pod "${life.name}": the UID in the precondition (${asked.uid}) does not match the UID in record (${life.uid}). The object might have been deleted and then recreated`,
        { name: life.name, kind: 'Pod' },
      );
    const pod = life.pod;
    if (!pod) throw badRequest('the pod was deleted');
    const grace = asked.graceSeconds ?? pod.spec.terminationGracePeriodSeconds;
    void life.delete(Math.max(0, grace));
    return life.pod ?? pod;
  }

  /** Ends all pods, and resolves when no process of theirs is left. */
  async close(): Promise<void> {
    await Promise.all([...this.#lives.values()].map((life) => life.destroy()));
    await Promise.all(this.#ending);
  }

  #scenario(pod: Pod): Scenario {
    try {
      return { ...scenarioOf(pod), ...this.settings.scenario(pod) };
    } catch (error) {
      throw badRequest((error as Error).message);
    }
  }

  #forget(life: PodLife): void {
    this.#lives.delete(`${life.namespace}/${life.name}`);
    const ending = life.destroy().finally(() => this.#ending.delete(ending));
    this.#ending.add(ending);
  }
}
