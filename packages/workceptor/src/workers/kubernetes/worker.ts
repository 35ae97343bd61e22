import { stat } from 'node:fs/promises';
import { parseDurationMs, ReceptorError, WorkState } from '@receptor/protocol';
import { errorText } from '../../error-text.js';
import { inTime } from '../../in-time.js';
import type { StatusChange, UnitHandle, Worker } from '../../worker.js';
import type { KubernetesApi } from './api.js';
import type { KubernetesClient } from './client.js';
import { connect } from './connection.js';
import type { KubernetesContext } from './context.js';
import type { Ending } from './ending.js';
import { isForeign, type KubernetesExtraData, readExtraData } from './extra-data.js';
import { deletePod, leftoverOf } from './leftover.js';
import type { LifecycleRules } from './lifecycle.js';
import { collectOutput } from './output/index.js';
import { WORKER } from './pod.js';
import { type Collect, runPod } from './pod-run.js';
import { adoptPod, startPod } from './start-pod.js';
import { PodCallback } from './tcp.js';

/** How long the deletion of a pod may take while somebody waits for it; then it is left to be done later. */
const REMOVE_MS = 2_000;

/** Runs a unit in a pod (reference: kubernetes; design: the Kubernetes worker). */
export class KubernetesWorker implements Worker {
  readonly #unit: UnitHandle;
  readonly #context: KubernetesContext;
  /** Ends the run: the unit goes on without us, or is cancelled. */
  readonly #stop = new AbortController();
  /** Ends what still tries to delete the pod: a later process will. */
  readonly #detached = new AbortController();
  #extra: KubernetesExtraData;
  readonly #foreign: boolean;
  #client: KubernetesClient | undefined;
  #callback: PodCallback | undefined;
  #run: Promise<void> | undefined;
  #removed = false;

  constructor(unit: UnitHandle, context: KubernetesContext) {
    this.#unit = unit;
    this.#context = context;
    this.#extra = readExtraData(unit.status.ExtraData);
    this.#foreign = isForeign(unit.status.ExtraData);
  }

  async start(): Promise<void> {
    await this.#update({ state: WorkState.Pending, detail: 'Connecting to Kubernetes' });
    await this.#connect();
    this.#run = this.#live(false);
  }

  async resume(): Promise<void> {
    if (this.#extra.Canceling) return this.cancel();
    const { settings } = this.#context;
    const { State } = this.#unit.status;
    const tcp = settings.streamMethod === 'tcp';
    // What a pod of a Go daemon has had of its payload cannot be known; nor does a pod call back a second time.
    if ((tcp && this.#extra.PodName !== '') || (this.#foreign && State !== WorkState.Running)) {
      if (settings.deletePodOnRestart) await this.#remove(REMOVE_MS);
      throw new ReceptorError(
        'RECEPTOR_WORK_START_FAILED',
        tcp
          ? 'restart not implemented for streammethod tcp'
          : 'work unit is not in running state, cannot be restarted',
      );
    }
    await this.#connect();
    this.#run = this.#live(this.#foreign);
  }

  async cancel(): Promise<void> {
    this.#stop.abort(new ReceptorError('RECEPTOR_ABORTED', 'the unit was cancelled'));
    await this.#run;
    // So that a process after this one, which finds the pod deleted, knows why.
    this.#extra.Canceling = true;
    await this.#update({});
    await this.#remove(REMOVE_MS);
    delete this.#extra.Canceling;
    await this.#update({ state: WorkState.Canceled, detail: 'Canceled' });
    this.#close();
  }

  async release(): Promise<void> {
    this.#stop.abort(new ReceptorError('RECEPTOR_ABORTED', 'the unit was released'));
    await this.#run;
    await this.#remove(REMOVE_MS);
    this.#close();
  }

  async detach(): Promise<void> {
    this.#stop.abort(new ReceptorError('RECEPTOR_ABORTED', 'the daemon lets go of the unit'));
    this.#detached.abort();
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
    if (ending.removePod) await this.#remove(REMOVE_MS).catch((error: unknown) => this.#complain(error));
    if (signal.aborted) return;
    // A name without a pod helps nobody.
    if (this.#removed && this.#extra.PodUID === '') this.#extra.PodName = '';
    const { report } = ending;
    this.#extra.ExitCode = ending.exitCode;
    this.#extra.Reason = ending.reason;
    this.#extra.Gaps = report?.gaps ?? [];
    if (report?.uncertain) this.#extra.Uncertain = report.uncertain;
    if (report && report.notes.length > 0) this.#extra.Notes = report.notes;
    if (ending.state === WorkState.Failed) this.#unit.log.error(`Unit ${this.#unit.id}: ${ending.detail}`);
    await this.#update({ state: ending.state, detail: ending.detail });
    this.#unit.outputChanged();
    this.#close();
  }

  #complain(error: unknown): void {
    this.#unit.log.error(`Unit ${this.#unit.id}: ${errorText(error)}`);
  }

  async #untilEnd(api: KubernetesApi, foreign: boolean): Promise<Ending> {
    const { settings, habits } = this.#context;
    const { size } = await stat(this.#unit.stdinPath);
    const tcp = settings.streamMethod === 'tcp';
    if (tcp && size === 0) throw new Error('Error opening stdin file: file is empty');
    const about = {
      context: this.#context,
      unit: this.#unit,
      api,
      extra: this.#extra,
      signal: this.#stop.signal,
    };
    if (foreign) await adoptPod(about);
    else if (this.#extra.PodUID === '') {
      if (tcp) this.#callback = await PodCallback.listen();
      const environment = this.#callback ? { environment: this.#callback.environment } : {};
      await startPod({ ...about, ...environment, report: (change) => void this.#update(change) });
    }
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

  /**
   * Deletes the pod, if there is one. What takes longer than so long, or is refused, is left to be done later.
   * @throws Error when even that could not be written down
   */
  async #remove(budgetMs: number): Promise<void> {
    const leftover = this.#removed ? undefined : leftoverOf(this.#unit.id, this.#extra, this.#foreign);
    if (!leftover) return;
    const why = await inTime(budgetMs, this.#detached.signal, (signal) =>
      deletePod(this.#context, leftover, { signal, refusals: 1, client: this.#client }),
    );
    if (why !== undefined) {
      if (this.#detached.signal.aborted) return;
      this.#unit.log.warning(`Error deleting pod ${leftover.PodName}: ${why}. It will be tried again`);
      await this.#unit.leave(leftover);
    }
    this.#removed = true;
  }
}
