import type { WorkState } from '@receptor/protocol';
import { ApiError, type KubernetesApi } from './api.js';
import { pause } from './backoff.js';
import type { Ending } from './ending.js';
import type { ApiHabits } from './environment.js';
import { followPod, type PodFollower } from './follow-pod.js';
import { type Lifecycle, type LifecycleEvent, type LifecycleRules, newLifecycle, step } from './lifecycle.js';
import type { EventList } from './objects.js';
import type { OutputReport } from './output/index.js';
import { newsOf, whenItRan, whyWaiting } from './pod-status.js';

/** Begins to collect the worker's output; see `collectOutput`. */
export type Collect = (about: {
  started: Promise<void>;
  ended: Promise<void>;
  ran(): { startedAt?: number; endedAt?: number };
  signal: AbortSignal;
  onStdinSent(): void;
}) => Promise<OutputReport>;

/** What running a pod's life takes. */
export interface PodRunOptions {
  api: KubernetesApi;
  uid: string;
  rules: LifecycleRules;
  habits: ApiHabits;
  /** Milliseconds since the epoch at which the pod must have begun; undefined for no limit. */
  deadline: number | undefined;
  /** The payload was sent by an earlier process. */
  stdinSent: boolean;
  signal: AbortSignal;
  report(state: WorkState, detail: string): void;
  collect: Collect;
  now?: () => number;
}

/** Warnings are asked for this often while a pod waits. */
const WARNINGS_MS = 5_000;
const FIRST_WARNINGS_MS = 1_000;
/** The longest a timer of Node can be set to. */
const LONGEST_TIMER_MS = 0x7fffffff;
/** How often the pod is looked at once the output is at its end and the pod's end was not seen. */
const PATIENCE_TICK_MS = 1_000;

/** How long, and how often, a bad end waits for its explanation. */
const AFTERTHOUGHTS = 20;
const AFTERTHOUGHT_MS = 250;

/**
 * Runs the life of a pod that exists: does what {@link step} says, and tells it what happens.
 * @returns how the unit ends
 * @throws the signal's reason when it is given
 */
export async function runPod(options: PodRunOptions): Promise<Ending> {
  const { api, rules, habits, signal } = options;
  const now = options.now ?? Date.now;
  signal.throwIfAborted();
  const over = new AbortController();
  const all = AbortSignal.any([signal, over.signal]);
  let life: Lifecycle = { ...newLifecycle(), stdinSent: options.stdinSent };
  let follower: PodFollower | undefined;
  let collecting: Promise<void> = Promise.resolve();
  let resolveEnded: () => void = () => {};
  const ended = new Promise<void>((resolve) => {
    resolveEnded = resolve;
  });
  let resolveStarted: () => void = () => {};
  const started = new Promise<void>((resolve) => {
    resolveStarted = resolve;
  });
  let finish: (ending: Ending) => void = () => {};
  const finished = new Promise<Ending>((resolve) => {
    finish = resolve;
  });

  function dispatch(event: LifecycleEvent): void {
    if (all.aborted) return;
    const next = step(life, event, rules);
    life = next.life;
    for (const action of next.actions) {
      if (action.do === 'report') options.report(action.state, action.detail);
      else if (action.do === 'collect') collecting = collect();
      else if (action.do === 'started') resolveStarted();
      else if (action.do === 'ended') resolveEnded();
      else finish(action.ending);
    }
  }

  const later = (ms: number): Promise<void> => pause(ms, all).catch(() => undefined);

  async function collect(): Promise<void> {
    let report: OutputReport;
    try {
      report = await options.collect({
        started,
        ended,
        ran: () => whenItRan(life.pod ?? {}),
        signal: all,
        onStdinSent: () => dispatch({ type: 'stdinSent' }),
      });
    } catch (cause) {
      if (all.aborted) return;
      const error = cause instanceof Error ? cause : new Error(String(cause));
      report = { bytes: 0, gaps: [], notes: [], stdin: 'none', error };
    }
    // Output that is whole says that the worker has ended; how it ended is the pod's to tell.
    if (!report.error) while (!life.end && !life.gone && !all.aborted) await lookSoon();
    for (let i = 0; i < AFTERTHOUGHTS && mayBeExplained(report) && !all.aborted; i++) {
      follower?.look();
      await later(AFTERTHOUGHT_MS);
    }
    if (!all.aborted) dispatch({ type: 'output', report });
  }

  /** A bad end of a pod that is not over yet, or none: that the pod was evicted or deleted may still be to come. */
  function mayBeExplained({ error }: OutputReport): boolean {
    const phase = life.pod?.status?.phase;
    if (error && !life.end) return !life.gone;
    return !life.gone && (life.end?.exitCode ?? 0) !== 0 && phase !== 'Failed' && phase !== 'Succeeded';
  }

  async function lookSoon(): Promise<void> {
    follower?.look();
    await Promise.race([later(PATIENCE_TICK_MS), ended]);
  }

  async function askForWarnings(): Promise<void> {
    await later(FIRST_WARNINGS_MS);
    while (!all.aborted && life.phase === 'waiting') {
      try {
        const { items = [] } = await api.json<EventList>({
          path: `/api/v1/namespaces/${encodeURIComponent(rules.namespace)}/events`,
          query: { fieldSelector: `involvedObject.uid=${options.uid},type=Warning`, limit: 50 },
          signal: all,
        });
        // One that says again what the status says must not hide one before it that says more.
        const why = whyWaiting(life.pod ?? {});
        const texts = items.toSorted(byTime).map(({ reason, message }) => `${reason}: ${message}`);
        const text = texts.findLast((each) => newsOf(each, why) !== '');
        if (text !== undefined) dispatch({ type: 'warning', text });
      } catch (error) {
        if (all.aborted || (error instanceof ApiError && !error.transient)) return;
      }
      await later(WARNINGS_MS);
    }
  }

  let timer: NodeJS.Timeout | undefined;
  function watchDeadline(): void {
    if (options.deadline === undefined) return;
    const left = options.deadline - now();
    if (left > 0) timer = setTimeout(watchDeadline, Math.min(left, LONGEST_TIMER_MS));
    else dispatch({ type: 'timeout' });
  }

  try {
    follower = followPod({
      api,
      namespace: rules.namespace,
      name: rules.podName,
      uid: options.uid,
      signal: all,
      tries: habits.tries,
      firstWaitMs: habits.firstWaitMs,
      onPod: (pod) => dispatch({ type: 'pod', pod }),
      onGone: () => dispatch({ type: 'gone' }),
      onTrouble: (text) => dispatch({ type: 'trouble', text }),
      onRefused: (text) => dispatch({ type: 'refused', text }),
    });
    watchDeadline();
    void askForWarnings();
    return await orAborted(finished, signal);
  } finally {
    clearTimeout(timer);
    over.abort();
    await collecting;
  }
}

type KubernetesEvent = NonNullable<EventList['items']>[number];

/** Times have a resolution of a second; of one second, the one that was stored last is the last. */
function byTime(one: KubernetesEvent, other: KubernetesEvent): number {
  const version = ({ metadata }: KubernetesEvent) => Number(metadata?.resourceVersion ?? 0);
  return (one.lastTimestamp ?? '').localeCompare(other.lastTimestamp ?? '') || version(one) - version(other);
}

function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason as Error);
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
    void promise.then((value) => {
      signal.removeEventListener('abort', abort);
      resolve(value);
    });
  });
}
