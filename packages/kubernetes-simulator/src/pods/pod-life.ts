import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Container } from '../container/container.js';
import type { Script } from '../container/script.js';
import type { LogSettings } from '../log/container-log.js';
import { type ContainerSpec, kubeTime, type Pod } from '../objects.js';
import type { Store } from '../store.js';
import { describePod } from './describe.js';
import { type EventText, recordEvent } from './events.js';
import type { Scenario } from './scenario.js';

/** How fast things happen in the simulated cluster, in milliseconds. */
export interface Pace {
  /** Between two steps of a pod's start. Default 0. */
  stepMs: number;
  /** Between a failed pull of an image and the next state. Default 250. */
  imagePullMs: number;
  /** From a container's start to the status that says so; shorter runs are never seen running. Default 0. */
  runningSeenMs: number;
  /** From the end of the containers to the end of the pod's phase, which lags behind. Default 5. */
  phaseLagMs: number;
}

/** What a pod's life depends on. */
export interface PodSurroundings {
  store: Store;
  directory: string;
  pace: Pace;
  log: Partial<LogSettings>;
  script: (pod: Pod, spec: ContainerSpec) => Script | undefined;
}

/** One pod as scheduler and kubelet see it. */
export class PodLife {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly containers: Container[];
  readonly initContainers: Container[];
  /** Its node no longer answers. */
  lost = false;
  readonly #around: PodSurroundings;
  readonly #scenario: Scenario;
  readonly #gone = new AbortController();
  #proceed: () => void = () => {};
  #mayProceed: Promise<void>;
  #unscheduled: string | undefined = '';
  #startTime: string | undefined;
  #sandbox = false;
  #over = false;
  #failure: { reason: string; message: string } | undefined;
  #done: Promise<void> = Promise.resolve();

  constructor(pod: Pod, scenario: Scenario, around: PodSurroundings) {
    this.namespace = pod.metadata.namespace;
    this.name = pod.metadata.name;
    this.uid = pod.metadata.uid;
    this.#around = around;
    this.#scenario = scenario;
    const container = (spec: ContainerSpec) =>
      new Container(spec, randomBytes(32).toString('hex'), around.log);
    this.containers = pod.spec.containers.map(container);
    this.initContainers = (pod.spec.initContainers ?? []).map(container);
    this.#mayProceed = new Promise((resolve) => {
      this.#proceed = resolve;
    });
  }

  /** The pod as the API shows it, or undefined once it is deleted. */
  get pod(): Pod | undefined {
    const pod = this.#around.store.pods.get(this.namespace, this.name);
    return pod?.metadata.uid === this.uid ? pod : undefined;
  }

  get scheduled(): boolean {
    return this.#unscheduled === undefined;
  }

  /** Aborted when the pod is deleted. */
  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  start(): void {
    this.#done = this.#live().catch((error: unknown) => {
      if (!this.#gone.signal.aborted) throw error;
    });
  }

  /** Ends what a scenario waits for: a node is found, the image can be pulled. */
  proceed(): void {
    this.#proceed();
  }

  event(text: EventText): void {
    if (this.pod) recordEvent(this.#around.store, this.pod, text);
  }

  /** The kubelet ends the pod, for want of a resource. */
  evict(
    message = 'The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi. ',
  ): void {
    if (this.#over) return;
    this.#failure = { reason: 'Evicted', message };
    this.event({ type: 'Warning', reason: 'Evicted', message });
    for (const container of this.containers) container.kill('SIGKILL');
  }

  /** The kernel kills a container that took too much memory. */
  oomKill(name?: string): void {
    for (const container of this.containers)
      if (name === undefined || container.spec.name === name)
        container.kill('SIGKILL', { exitCode: 137, reason: 'OOMKilled' });
  }

  /** The node stops to answer: the status freezes, open streams fall silent, and the pod is marked for deletion. */
  loseNode(): void {
    const pod = this.pod;
    if (!pod) return;
    this.#publish({ lost: true });
    this.lost = true;
    this.event({
      type: 'Warning',
      reason: 'NodeNotReady',
      message: 'Node is not ready',
      component: 'node-controller',
    });
    this.#markDeleted(pod.spec.terminationGracePeriodSeconds);
  }

  /** Deletes the pod: asks its containers to end, and kills them when the grace period is over. */
  async delete(graceSeconds: number): Promise<void> {
    if (graceSeconds > 0) this.#markDeleted(graceSeconds);
    if (this.lost && graceSeconds > 0) return;
    if (graceSeconds > 0 && this.scheduled && !this.#over) {
      const running = this.containers.filter(({ running }) => running);
      for (const { spec } of running)
        this.event({
          type: 'Normal',
          reason: 'Killing',
          message: `Stopping container ${spec.name}`,
          container: spec.name,
        });
      for (const container of [...running, ...this.initContainers]) container.kill('SIGTERM');
      if (running.length > 0) await this.#ended(graceSeconds * 1000);
      if (this.#gone.signal.aborted) return;
      this.#kill();
      if (running.length > 0) await this.#done;
      const pod = this.pod;
      if (pod) this.#put({ ...pod, metadata: { ...pod.metadata, deletionGracePeriodSeconds: 0 } });
    }
    this.#remove();
  }

  /** Ends everything of this pod at once, and resolves when no process of it is left. */
  async destroy(): Promise<void> {
    this.#remove();
    await this.#done;
  }

  #remove(): void {
    if (this.#gone.signal.aborted) return;
    if (this.pod) this.#around.store.pods.remove(this.namespace, this.name);
    this.#gone.abort();
    this.#kill();
  }

  #kill(): void {
    for (const container of [...this.containers, ...this.initContainers]) container.kill('SIGKILL');
  }

  async #ended(ms: number): Promise<void> {
    const waited = new AbortController();
    const signal = AbortSignal.any([waited.signal, this.#gone.signal]);
    await Promise.race([this.#done, sleep(ms, undefined, { signal }).catch(() => {})]);
    waited.abort();
  }

  async #live(): Promise<void> {
    await this.#schedule();
    await this.#prepare();
    if (await this.#initialize()) await this.#runContainers();
    this.#publish();
    await this.#step(this.#around.pace.phaseLagMs);
    this.#over = true;
    this.#publish();
  }

  async #schedule(): Promise<void> {
    await this.#step();
    if (this.#scenario.unschedulable !== undefined) {
      this.#unscheduled = this.#scenario.unschedulable;
      this.#publish();
      this.event({
        type: 'Warning',
        reason: 'FailedScheduling',
        message: this.#unscheduled,
        component: 'default-scheduler',
      });
      await this.#untilProceed();
    }
    this.#unscheduled = undefined;
    const pod = this.pod;
    if (pod) {
      const bound = { ...pod, spec: { ...pod.spec, nodeName: 'node' } };
      this.#put({ ...bound, status: describePod(bound, this.#view()) });
    }
    this.event({
      type: 'Normal',
      reason: 'Scheduled',
      message: `Successfully assigned ${this.namespace}/${this.name} to node`,
      component: 'default-scheduler',
    });
    await this.#step();
  }

  async #prepare(): Promise<void> {
    this.#startTime = kubeTime(Date.now());
    if (this.initContainers.length > 0) this.#wait('PodInitializing');
    else this.#publish();
    await this.#step();
    if (this.#scenario.imagePullFails) await this.#failToPull();
    this.#sandbox = true;
    const waiting = this.#scenario.waiting;
    if (waiting) {
      this.#wait(waiting.reason, waiting.message);
      this.#tellContainers('Warning', 'Failed', `Error: ${waiting.message ?? waiting.reason}`);
      await this.#untilProceed();
    }
    await this.#step(this.#scenario.startAfterMs);
  }

  async #failToPull(): Promise<void> {
    const images = [...new Set(this.containers.map(({ spec }) => spec.image))].join(', ');
    const cause = `failed to pull and unpack image "${images}": failed to resolve reference "${images}": ${images}: not found`;
    const error = `rpc error: code = NotFound desc = ${cause}`;
    const stop = new AbortController();
    void this.#mayProceed.then(() => stop.abort());
    const signal = AbortSignal.any([stop.signal, this.#gone.signal]);
    while (!signal.aborted) {
      this.#tellContainers('Normal', 'Pulling', `Pulling image "${images}"`);
      this.#tellContainers('Warning', 'Failed', `Failed to pull image "${images}": ${error}`);
      this.#tellContainers('Warning', 'Failed', 'Error: ErrImagePull');
      this.#wait('ErrImagePull', error);
      await sleep(this.#around.pace.imagePullMs, undefined, { signal }).catch(() => {});
      if (signal.aborted) break;
      this.#tellContainers('Normal', 'BackOff', `Back-off pulling image "${images}"`);
      this.#tellContainers('Warning', 'Failed', 'Error: ImagePullBackOff');
      this.#wait('ImagePullBackOff', `Back-off pulling image "${images}": ErrImagePull: ${error}`);
      await sleep(this.#around.pace.imagePullMs, undefined, { signal }).catch(() => {});
    }
    this.#gone.signal.throwIfAborted();
  }

  /** Runs the init containers one after the other; false if one failed. */
  async #initialize(): Promise<boolean> {
    for (const container of this.initContainers) {
      await this.#run(container);
      this.#publish();
      if (container.state.terminated?.exitCode !== 0) return false;
    }
    return true;
  }

  async #runContainers(): Promise<void> {
    for (const { spec } of this.containers) {
      const image = `Container image "${spec.image}" already present on machine`;
      this.event({ type: 'Normal', reason: 'Pulled', message: image, container: spec.name });
      const created = `Created container: ${spec.name}`;
      this.event({ type: 'Normal', reason: 'Created', message: created, container: spec.name });
    }
    await this.#step();
    const misfortunes = new AbortController();
    this.#plan(AbortSignal.any([misfortunes.signal, this.#gone.signal]));
    const runs = this.containers.map(async (container) => {
      await this.#run(container);
      if (this.containers.some(({ running }) => running)) this.#publish();
    });
    await Promise.all(runs);
    misfortunes.abort();
  }

  #run(container: Container): Promise<void> {
    const pod = this.pod;
    if (!pod) throw new Error('the pod was deleted');
    const script = this.#around.script(pod, container.spec);
    const directory = join(this.#around.directory, this.uid, container.spec.name);
    return container.run(pod, directory, script, () => {
      const { name } = container.spec;
      this.event({
        type: 'Normal',
        reason: 'Started',
        message: `Started container ${name}`,
        container: name,
      });
      const seen = () => {
        if (container.running) this.#publish();
      };
      if (this.#around.pace.runningSeenMs === 0) seen();
      else void this.#step(this.#around.pace.runningSeenMs).then(seen, () => {});
    });
  }

  /** What the scenario does to the running pod. */
  #plan(signal: AbortSignal): void {
    const at = (ms: number | undefined, act: () => void) => {
      if (ms === undefined) return;
      void sleep(ms, undefined, { signal }).then(act, () => {});
    };
    at(this.#scenario.evictAfterMs, () => this.evict());
    at(this.#scenario.oomKillAfterMs, () => this.oomKill());
    at(this.#scenario.loseNodeAfterMs, () => this.loseNode());
  }

  #wait(reason: string, message?: string): void {
    for (const container of this.containers)
      container.state = { waiting: { reason, ...(message === undefined ? {} : { message }) } };
    this.#publish();
  }

  #tellContainers(type: EventText['type'], reason: string, message: string): void {
    for (const { spec } of this.containers) this.event({ type, reason, message, container: spec.name });
  }

  async #untilProceed(): Promise<void> {
    const signal = this.#gone.signal;
    const gone = new Promise<void>((resolve) => {
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
    await Promise.race([this.#mayProceed, gone]);
    signal.throwIfAborted();
  }

  async #step(ms = this.#around.pace.stepMs): Promise<void> {
    await sleep(ms, undefined, { signal: this.#gone.signal });
  }

  #markDeleted(graceSeconds: number): void {
    const pod = this.pod;
    if (!pod) return;
    const deletionTimestamp = kubeTime(Date.now() + graceSeconds * 1000);
    const before = pod.metadata.deletionTimestamp;
    if (before !== undefined && before <= deletionTimestamp) return;
    const metadata = {
      ...pod.metadata,
      generation: 2,
      deletionTimestamp,
      deletionGracePeriodSeconds: graceSeconds,
    };
    this.#put({ ...pod, metadata });
  }

  #view(more: { lost?: boolean } = {}) {
    const startTime = this.#startTime;
    return {
      now: kubeTime(Date.now()),
      unscheduled: this.#unscheduled,
      startTime,
      podIP: '10.244.0.2',
      sandbox: this.#sandbox,
      initContainers: this.initContainers,
      containers: this.containers,
      over: this.#over,
      failure: this.#over ? this.#failure : undefined,
      ...more,
    };
  }

  #publish(more: { lost?: boolean } = {}): void {
    const pod = this.pod;
    if (pod) this.#put({ ...pod, status: describePod(pod, this.#view(more)) });
  }

  #put(pod: Pod): void {
    if (!this.lost) this.#around.store.pods.put(pod);
    else if (pod.metadata.deletionTimestamp !== this.pod?.metadata.deletionTimestamp)
      this.#around.store.pods.put({ ...pod, status: this.pod?.status ?? pod.status });
  }
}
