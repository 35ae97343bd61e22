import { WorkState } from '@receptor/protocol';
import { conclude, type Ending, type EndingRules, sentence } from './ending.js';
import type { Pod } from './objects.js';
import type { OutputReport } from './output/index.js';
import {
  type ContainerEnd,
  disruption,
  hopeless,
  imagePullBackOffs,
  newsOf,
  waitingReason,
  whyUneasy,
  whyWaiting,
  workerProgress,
} from './pod-status.js';

/** How a pod's life goes on from when it exists until the unit is complete: pure, without clock or network. */
export interface Lifecycle {
  phase: 'waiting' | 'collecting' | 'done';
  /** The last that was seen of the pod. */
  pod?: Pod;
  end?: ContainerEnd;
  /** The output is being collected, or waited for. */
  collects: boolean;
  /** The pod does not exist any more. */
  gone: boolean;
  /** How often each container was seen to wait after a failed pull. */
  backOffs: Readonly<Record<string, number>>;
  /** The payload, and its end, are on their way. */
  stdinSent: boolean;
  /** The last warning the cluster gave about the pod. */
  warning: string;
  /** What the API is in the way with; empty while it answers. */
  trouble: string;
  /** The state and detail that were last reported. */
  reported: string;
}

/** What happens to a pod and its unit. */
export type LifecycleEvent =
  | { type: 'pod'; pod: Pod }
  | { type: 'gone' }
  | { type: 'warning'; text: string }
  /** The API does not answer, or answers again (empty text). */
  | { type: 'trouble'; text: string }
  /** `pod_pending_timeout` is over. */
  | { type: 'timeout' }
  | { type: 'stdinSent' }
  /** The output is whole, or no more of it can be had. */
  | { type: 'output'; report: OutputReport }
  /** The API refuses to say anything about the pod. */
  | { type: 'refused'; text: string };

/** What is to be done about it, in this order. */
export type LifecycleAction =
  | { do: 'report'; state: WorkState; detail: string }
  /** Begin to collect the output: the pod has a node, and its worker can run at any moment. */
  | { do: 'collect' }
  /** Tell the collector that the worker runs, or has run (so that the payload can be sent). */
  | { do: 'started' }
  /** Tell the collector that nothing more will be written. */
  | { do: 'ended' }
  | { do: 'finish'; ending: Ending };

/** What holds for the whole life. */
export interface LifecycleRules extends EndingRules {
  hasStdin: boolean;
}

/** How many times a container may be seen in ImagePullBackOff; the next time is the end. */
const BACK_OFFS_BORNE = 3;

/** The life of a pod that was just created or found. */
export function newLifecycle(): Lifecycle {
  return {
    phase: 'waiting',
    collects: false,
    gone: false,
    backOffs: {},
    stdinSent: false,
    warning: '',
    trouble: '',
    reported: '',
  };
}

/** One step of a pod's life. */
export function step(
  life: Lifecycle,
  event: LifecycleEvent,
  rules: LifecycleRules,
): { life: Lifecycle; actions: LifecycleAction[] } {
  if (life.phase === 'done') return { life, actions: [] };
  switch (event.type) {
    case 'pod':
      return podSeen(life, event.pod, rules);
    case 'gone':
      return podGone(life, rules);
    case 'warning':
      return report({ ...life, warning: event.text }, rules);
    case 'trouble':
      return report({ ...life, trouble: event.text }, rules);
    case 'timeout':
      return life.phase === 'waiting'
        ? startFailed(life, 'timed out waiting for the condition')
        : { life, actions: [] };
    case 'stdinSent':
      return report({ ...life, stdinSent: true }, rules);
    case 'output':
      return finish(life, conclude(life, event.report, rules));
    case 'refused':
      return finish(life, {
        state: WorkState.Failed,
        detail: `Error getting pod ${rules.namespace}/${rules.podName}. Error: ${event.text}`,
        exitCode: null,
        reason: '',
        removePod: false,
      });
  }
}

type Step = { life: Lifecycle; actions: LifecycleAction[] };

function podSeen(before: Lifecycle, pod: Pod, rules: LifecycleRules): Step {
  const news = before.pod?.metadata?.resourceVersion !== pod.metadata?.resourceVersion;
  const life: Lifecycle = { ...before, pod, trouble: '' };
  const progress = workerProgress(pod);
  if (life.phase === 'collecting') {
    // Also when an end is known already: an eviction is told later than the container's end that it caused.
    if (progress.kind === 'ended') return { life: { ...life, end: progress.end }, actions: [ENDED] };
    // A pod that is over whose worker was never seen to end: nothing more will come of it.
    if (progress.kind === 'failed' && !life.gone) return { life: { ...life, gone: true }, actions: [ENDED] };
    return report(life, rules);
  }
  switch (progress.kind) {
    case 'failed':
      return startFailed(life, 'pod failed to start', progress.reason);
    case 'ended': {
      const { life: started, actions } = start(life);
      return { life: { ...started, end: progress.end }, actions: [...actions, ENDED] };
    }
    case 'running': {
      const { life: started, actions } = start(life);
      const told = report(started, rules);
      return { life: told.life, actions: [...told.actions, ...actions] };
    }
    case 'waiting': {
      const backOffs: Record<string, number> = { ...life.backOffs };
      if (news) for (const name of imagePullBackOffs(pod)) backOffs[name] = (backOffs[name] ?? 0) + 1;
      const waiting: Lifecycle = { ...life, backOffs };
      const overdrawn = Object.values(backOffs).some((count) => count > BACK_OFFS_BORNE);
      if (overdrawn || hopeless(pod)) return startFailed(waiting, 'container failed to start');
      const told = report(waiting, rules);
      if (waiting.collects || !pod.spec?.nodeName) return told;
      return { life: { ...told.life, collects: true }, actions: [...told.actions, COLLECT] };
    }
  }
}

/** The worker runs, or has run. */
function start(life: Lifecycle): Step {
  const actions = life.collects ? [STARTED] : [COLLECT, STARTED];
  return { life: { ...life, phase: 'collecting', collects: true }, actions };
}

function podGone(life: Lifecycle, rules: LifecycleRules): Step {
  if (life.phase === 'collecting') {
    const actions = life.gone || life.end ? [] : [ENDED];
    return { life: { ...life, gone: true }, actions };
  }
  const why = life.pod ? disruption(life.pod) : '';
  return finish(life, {
    state: WorkState.Failed,
    detail: sentence(
      `Error creating pod: pods "${rules.podName}" not found`,
      'it was deleted before its worker ran',
      why,
    ),
    exitCode: null,
    reason: 'Deleted',
    removePod: false,
  });
}

/** The worker did not begin to run, and will not. */
function startFailed(life: Lifecycle, what: string, reason = ''): Step {
  const pod = life.pod ?? {};
  const waits = waitingReason(pod);
  const why = reason || whyWaiting(pod);
  // The reason stands behind what failed already; only what it is about is added.
  const about = why.startsWith(waits) ? why.slice(waits.length) : `: ${why}`;
  const head = `Error creating pod: ${what}${waits === '' ? '' : `, ${waits}`}`;
  const rest = /^( \(.*\))?(?:: )?(.*)$/s.exec(about) ?? [];
  return finish(life, {
    state: WorkState.Failed,
    detail: sentence(`${head}${rest[1] ?? ''}`, rest[2] ?? '', newsOf(life.warning, why)),
    exitCode: null,
    reason: waits || reason.split(': ')[0] || '',
    removePod: true,
  });
}

const COLLECT: LifecycleAction = { do: 'collect' };
const STARTED: LifecycleAction = { do: 'started' };
const ENDED: LifecycleAction = { do: 'ended' };

function finish(life: Lifecycle, ending: Ending): Step {
  return { life: { ...life, phase: 'done' }, actions: [{ do: 'finish', ending }] };
}

/** Reports where the unit is, if that is news. */
function report(life: Lifecycle, rules: LifecycleRules): Step {
  const pod = life.pod ?? {};
  let state: WorkState = WorkState.Pending;
  let detail: string;
  let notes: string[];
  if (life.phase === 'waiting') {
    const why = whyWaiting(pod);
    detail = 'Pod created';
    notes = [why, newsOf(life.warning, why)];
  } else {
    const sending = rules.hasStdin && !life.stdinSent;
    if (!sending) state = WorkState.Running;
    detail = sending ? 'Sending stdin to pod' : 'Pod Running';
    notes = [whyUneasy(pod)];
  }
  notes.push(life.trouble);
  const words = notes.filter((note) => note !== '').join('; ');
  const whole = words === '' ? detail : `${detail}; ${words}`;
  const reported = `${state} ${whole}`;
  if (reported === life.reported) return { life, actions: [] };
  return { life: { ...life, reported }, actions: [{ do: 'report', state, detail: whole }] };
}
