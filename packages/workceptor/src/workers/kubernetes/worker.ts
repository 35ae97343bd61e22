import { stat } from 'node:fs/promises';
import { parseDurationMs, ReceptorError, WorkState } from '@receptor/protocol';
import { errorText } from '../../error-text.js';
import type { StatusChange, UnitHandle, Worker } from '../../worker.js';
import { ApiError, type KubernetesApi } from './api.js';
import { backoffMs, pause } from './backoff.js';
import type { KubernetesClient } from './client.js';
import { connect } from './connection.js';
import type { KubernetesContext } from './context.js';
import { createPod } from './create-pod.js';
import { type KubernetesExtraData, readExtraData } from './extra-data.js';
import type { Ending, LifecycleRules } from './lifecycle.js';
import { type Pod, podPath } from './objects.js';
import { collectOutput } from './output/index.js';
import { buildPod, labelValue, WORKER } from './pod.js';
import { type Collect, runPod } from './pod-run.js';
import { removePod } from './remove-pod.js';
import { PodCallback } from './tcp.js';

/** How long a release waits for an API that does not answer. */
const RELEASE_MS = 10_000;
/** How long the pod of a cancelled unit is tried to be deleted, first while the caller waits, then in the background. */
const CANCEL_MS = 2_000;
const BACKGROUND_MS = 600_000;

/** Runs a unit in a pod (reference: kubernetes; design: the Kubernetes worker). */
export class KubernetesWorker implements Worker {
  readonly #unit: UnitHandle;
  readonly #context: KubernetesContext;
  /** Ends the run: the unit goes on without us, or is cancelled. */
  readonly #stop = new AbortController();
  /** Ends what still tries to delete the pod. */
  readonly #background = new AbortController();
  #extra: KubernetesExtraData;
  #client: KubernetesClient | undefined;
  #callback: PodCallback | undefined;
  #run: Promise<void> | undefined;
  #removed = false;

  constructor(unit: UnitHandle, context: KubernetesContext) {
    this.#unit = unit;
    this.#context = context;
    this.#extra = readExtraData(unit.status.ExtraData);
  }

  async start(): Promise<void> {
    await this.#update({ state: WorkState.Pending, detail: 'Connecting to Kubernetes' });
    await this.#connect();
    this.#run = this.#live(false);
  }

  async resume(): Promise<void> {
    const { settings } = this.#context;
    const { ExtraData: extra, State } = this.#unit.status;
    const ours = typeof extra === 'object' && extra !== null && 'PodUID' in extra;
    const tcp = settings.streamMethod === 'tcp';
    // What a pod of a Go daemon has had of its payload cannot be known; nor does a pod call back a second time.
    if ((tcp && this.#extra.PodName !== '') || (!ours && State !== WorkState.Running)) {
      if (settings.deletePodOnRestart) await this.#remove(CANCEL_MS);
      throw new ReceptorError(
        'RECEPTOR_WORK_START_FAILED',
        tcp
          ? 'restart not implemented for streammethod tcp'
          : 'work unit is not in running state, cannot be restarted',
      );
    }
    await this.#connect();
    this.#run = this.#live(!ours);
  }

  async cancel(): Promise<void> {
    this.#stop.abort(new ReceptorError('RECEPTOR_ABORTED', 'the unit was cancelled'));
    await this.#run;
    const removed = await this.#remove(CANCEL_MS);
    await this.#update({ state: WorkState.Canceled, detail: 'Canceled' });
    if (!removed) void this.#remove(BACKGROUND_MS);
    else this.#close();
  }

  async release(): Promise<void> {
    this.#stop.abort(new ReceptorError('RECEPTOR_ABORTED', 'the unit was released'));
    await this.#run;
    await this.#remove(RELEASE_MS);
    this.#background.abort();
    this.#close();
  }

  async detach(): Promise<void> {
    this.#stop.abort(new ReceptorError('RECEPTOR_ABORTED', 'the daemon lets go of the unit'));
    this.#background.abort();
    this.#close();
    await this.#run;
  }

  async #connect(): Promise<void> {
    const client = await connect(this.#context, this.#extra);
    this.#client = client;
    this.#extra.KubeNamespace ||= client.defaultNamespace;
    const { PodPendingTimeout: timeout } = this.#extra;
    const ms = timeout === undefined ? 0 : parseDurationMs(timeout);
    // Counted from the first start, also by a later process.
    if (ms !== 0) this.#extra.PodPendingDeadline ??= new Date(Date.now() + Math.min(ms, 1e14)).toISOString();
  }

  #close(): void {
    this.#client?.close();
    this.#client = undefined;
    this.#callback?.close();
  }

  /** Writes a change of status, with the ExtraData as it is. A disk that is full is the unit manager's to report. */
  async #update(change: StatusChange): Promise<void> {
    await this.#unit.update({ ...change, extraData: { ...this.#extra } }).catch(() => undefined);
  }

  /** The unit's life from here on. Never rejects. */
  async #live(foreign: boolean): Promise<void> {
    const signal = this.#stop.signal;
    const api = this.#client;
    if (!api) return;
    let ending: Ending;
    try {
      ending = await this.#untilEnd(api, foreign);
    } catch (error) {
      if (signal.aborted) return;
      ending = {
        state: WorkState.Failed,
        detail: errorText(error),
        exitCode: null,
        reason: '',
        removePod: true,
      };
    }
    if (signal.aborted) return;
    const gone = !ending.removePod || (await this.#remove(CANCEL_MS));
    if (signal.aborted) return;
    // A name without a pod helps nobody.
    if (gone && this.#extra.PodUID === '') this.#extra.PodName = '';
    const { report } = ending;
    this.#extra.ExitCode = ending.exitCode;
    this.#extra.Reason = ending.reason;
    this.#extra.Gaps = report?.gaps ?? [];
    if (report && report.notes.length > 0) this.#extra.Notes = report.notes;
    if (ending.state === WorkState.Failed) this.#unit.log.error(`Unit ${this.#unit.id}: ${ending.detail}`);
    await this.#update({ state: ending.state, detail: ending.detail });
    this.#unit.outputChanged();
    if (!gone) void this.#remove(BACKGROUND_MS);
    else this.#close();
  }

  async #untilEnd(api: KubernetesApi, foreign: boolean): Promise<Ending> {
    const { settings, habits } = this.#context;
    const { size } = await stat(this.#unit.stdinPath);
    const tcp = settings.streamMethod === 'tcp';
    if (tcp && size === 0) throw new Error('Error opening stdin file: file is empty');
    if (foreign) await this.#adopt(api);
    else if (this.#extra.PodUID === '') await this.#create(api);
    const { PodName: podName, PodUID: uid, KubeNamespace: namespace, PodPendingDeadline } = this.#extra;
    const rules: LifecycleRules = {
      podName,
      namespace,
      hasStdin: size > 0 && !foreign,
      failOnNonZeroExit: settings.failOnNonZeroExit,
    };
    const { id, directory, stdinPath, stdoutPath, log } = this.#unit;
    const fromPod: Collect = (about) =>
      collectOutput({
        api,
        pod: { namespace, name: podName, uid },
        container: WORKER,
        stdin: rules.hasStdin ? { path: stdinPath, size } : undefined,
        directory,
        stdoutPath,
        log,
        onOutput: () => this.#unit.outputChanged(),
        ...about,
      });
    const callback = this.#callback;
    const fromCallback: Collect = async (about) => {
      if (!callback) throw new Error('restart not implemented for streammethod tcp');
      return callback.exchange({
        stdinPath,
        stdoutPath,
        onOutput: () => this.#unit.outputChanged(),
        ...about,
      });
    };
    log.debug(`Unit ${id} is pod ${namespace}/${podName}`);
    return runPod({
      api,
      uid,
      rules,
      habits,
      deadline: PodPendingDeadline === undefined ? undefined : Date.parse(PodPendingDeadline),
      stdinSent: this.#unit.status.State === WorkState.Running,
      signal: this.#stop.signal,
      report: (state, detail) => void this.#update({ state, detail }),
      collect: tcp ? fromCallback : fromPod,
    });
  }

  /** Creates the pod, or finds the one an earlier process created. */
  async #create(api: KubernetesApi): Promise<void> {
    const { settings, nodeId, habits } = this.#context;
    const extra = this.#extra;
    const timeout = deadlineSignal(extra.PodPendingDeadline);
    try {
      if (settings.streamMethod === 'tcp') this.#callback = await PodCallback.listen();
      const pod = buildPod({
        image: extra.Image,
        command: extra.Command,
        params: extra.Params,
        document: extra.KubePod,
        namespace: extra.KubeNamespace,
        workType: settings.workType,
        nodeId,
        unitId: this.#unit.id,
        ...(this.#callback ? { environment: this.#callback.environment } : {}),
      });
      extra.KubeNamespace = pod.metadata?.namespace ?? extra.KubeNamespace;
      const created = await createPod({
        api,
        pod,
        name: extra.PodName,
        persistName: async (name) => {
          extra.PodName = name;
          // Without this on disk a pod could be created that nobody finds again.
          await this.#unit.update({ extraData: { ...extra }, durable: true });
        },
        signal: timeout ? AbortSignal.any([this.#stop.signal, timeout]) : this.#stop.signal,
        tries: habits.tries,
        firstWaitMs: habits.firstWaitMs,
        onRetry: (why) => void this.#update({ detail: `Connecting to Kubernetes; will try again: ${why}` }),
      });
      extra.PodName = created.metadata?.name ?? extra.PodName;
      extra.PodUID = created.metadata?.uid ?? '';
      await this.#unit.update({ detail: 'Pod created', extraData: { ...extra }, durable: true });
    } catch (error) {
      if (this.#stop.signal.aborted) throw error;
      const why = timeout?.aborted ? 'timed out waiting for the condition' : errorText(error);
      throw new Error(`Error creating pod: ${why}`, { cause: error });
    }
  }

  /** Learns the UID of a pod that a Go daemon created. */
  async #adopt(api: KubernetesApi): Promise<void> {
    const { PodName: name, KubeNamespace: namespace } = this.#extra;
    if (name === '') throw new Error('Error creating pod: the unit has no pod');
    const { habits } = this.#context;
    for (let failures = 1; this.#extra.PodUID === ''; failures++) {
      try {
        const pod = await api.json<Pod>({ path: podPath(namespace, name), signal: this.#stop.signal });
        this.#extra.PodUID = pod.metadata?.uid ?? '';
        await this.#unit.update({ extraData: { ...this.#extra }, durable: true });
        return;
      } catch (error) {
        if (!(error instanceof ApiError) || !error.transient) {
          throw new Error(`Error getting pod ${namespace}/${name}. Error: ${errorText(error)}`, {
            cause: error,
          });
        }
        await pause(Math.min(backoffMs(failures, habits.firstWaitMs), 15_000), this.#stop.signal);
      }
    }
  }

  /** Deletes the pod, if there is one; tries again for so long. Returns whether nothing is left to do. */
  async #remove(budgetMs: number): Promise<boolean> {
    const { PodName: name, PodUID: uid, KubeNamespace: namespace } = this.#extra;
    if (this.#removed || name === '') return true;
    const signal = AbortSignal.any([this.#background.signal, AbortSignal.timeout(budgetMs)]);
    const what = { namespace, name, uid, unit: labelValue(this.#unit.id) };
    for (let failures = 1; ; failures++) {
      try {
        this.#client ??= await connect(this.#context, this.#extra);
        await removePod(this.#client, what, signal);
        this.#removed = true;
        return true;
      } catch (error) {
        // Only silence is worth another try: what is refused will be refused again.
        const passing = error instanceof ApiError && error.transient;
        const retry = passing ? (error.retryAfterMs ?? Math.min(backoffMs(failures, 500), 30_000)) : 0;
        const again = passing && (await paused(retry, signal));
        if (again) continue;
        if (!this.#background.signal.aborted) {
          this.#unit.log.error(`Error deleting pod ${name}: ${errorText(error)}`);
        }
        return !signal.aborted;
      }
    }
  }
}

/** Whether a pause came to its end. */
const paused = (ms: number, signal: AbortSignal): Promise<boolean> =>
  pause(ms, signal).then(
    () => true,
    () => false,
  );

/** A signal for a moment; undefined where there is none. */
function deadlineSignal(deadline: string | undefined): AbortSignal | undefined {
  if (deadline === undefined) return undefined;
  const left = Date.parse(deadline) - Date.now();
  return AbortSignal.timeout(Math.min(Math.max(left, 0), 0x7fffffff));
}
