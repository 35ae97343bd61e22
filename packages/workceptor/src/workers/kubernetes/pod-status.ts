import type { Condition, ContainerStatus, Pod } from './objects.js';
import { WORKER } from './pod.js';

/** How the worker ended. */
export interface ContainerEnd {
  exitCode: number;
  /** Kubernetes' word: that of the pod where the whole pod was ended (`Evicted`), else the container's. */
  reason: string;
  message: string;
}

/** How far the worker is. */
export type WorkerProgress =
  | { kind: 'waiting' }
  | { kind: 'running' }
  | { kind: 'ended'; end: ContainerEnd }
  /** The pod is over and its worker never ran, or nobody knows. */
  | { kind: 'failed'; reason: string };

const statusOf = (pod: Pod): ContainerStatus | undefined =>
  pod.status?.containerStatuses?.find((each) => each.name === WORKER);

const condition = (pod: Pod, type: string): Condition | undefined =>
  pod.status?.conditions?.find((each) => each.type === type);

const joined = (...parts: (string | undefined)[]): string =>
  parts
    .map((part) => part?.trim())
    .filter(Boolean)
    .join(': ');

/** Why the pod as a whole was ended by somebody else; empty where it was not. */
export function disruption(pod: Pod): string {
  const { phase, reason, message } = pod.status ?? {};
  // Of a node that is silent the rest of the status is the last that was heard.
  if (reason && (phase === 'Failed' || reason === 'NodeLost')) return joined(reason, message);
  const target = condition(pod, 'DisruptionTarget');
  if (target?.status === 'True') return joined(target.reason, target.message);
  return '';
}

function endOf(pod: Pod): ContainerEnd | undefined {
  const terminated = statusOf(pod)?.state?.terminated;
  if (!terminated) return undefined;
  const exitCode = terminated.exitCode ?? 0;
  const container = { exitCode, reason: terminated.reason ?? '', message: terminated.message?.trim() ?? '' };
  const whole = disruption(pod);
  if (exitCode !== 0 && whole !== '') {
    const [reason = '', ...message] = whole.split(': ');
    return { exitCode, reason, message: joined(message.join(': '), container.message) };
  }
  // A pod that is being deleted takes its worker along; that is no end of the worker's own choice.
  if (exitCode !== 0 && pod.metadata?.deletionTimestamp && ownEnd(container.reason)) {
    return { exitCode, reason: 'Deleted', message: joined('the pod was deleted', container.message) };
  }
  return container;
}

/** When the worker began and ended, in ms since the epoch, as far as its status says. */
export function whenItRan(pod: Pod): { startedAt?: number; endedAt?: number } {
  const { running, terminated } = statusOf(pod)?.state ?? {};
  const startedAt = Date.parse(terminated?.startedAt ?? running?.startedAt ?? '');
  const endedAt = Date.parse(terminated?.finishedAt ?? '');
  // A container of which nothing is known has times of 1970.
  return { ...(startedAt > 0 ? { startedAt } : {}), ...(endedAt > 0 ? { endedAt } : {}) };
}

/** Whether a container with this reason came to an end by itself, well or badly. */
export function ownEnd(reason: string): boolean {
  return reason === '' || reason === 'Completed' || reason === 'Error';
}

/** How far the worker of a pod is. `status.phase` can lag behind the container's state, so that comes first. */
export function workerProgress(pod: Pod): WorkerProgress {
  const end = endOf(pod);
  if (end) return { kind: 'ended', end };
  const phase = pod.status?.phase;
  if (phase === 'Failed') return { kind: 'failed', reason: startFailure(pod) };
  // A server that reports no containers says so of the pod as a whole.
  if (phase === 'Succeeded') return { kind: 'ended', end: { exitCode: 0, reason: 'Completed', message: '' } };
  const status = statusOf(pod);
  if (status?.state?.running) return { kind: 'running' };
  if (!status && phase === 'Running' && condition(pod, 'Ready')?.status === 'True')
    return { kind: 'running' };
  return { kind: 'waiting' };
}

/** What a pod failed of whose worker did not run. */
function startFailure(pod: Pod): string {
  const whole = disruption(pod);
  if (whole !== '') return whole;
  for (const each of pod.status?.initContainerStatuses ?? []) {
    const { exitCode = 0, reason, message } = each.state?.terminated ?? {};
    if (exitCode !== 0) {
      return joined(`init container ${each.name} ended with exit code ${exitCode}`, reason, message);
    }
  }
  return pod.status?.message ?? '';
}

/** The containers that wait, and why; the worker first. */
function waiting(pod: Pod): { name: string; image: string; reason: string; message: string }[] {
  const all = [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])];
  return all
    .filter((each) => each.state?.waiting)
    .map((each) => ({
      name: each.name ?? '',
      image: each.image ?? '',
      reason: each.state?.waiting?.reason ?? '',
      message: each.state?.waiting?.message ?? '',
    }))
    .sort((a, b) => Number(b.name === WORKER) - Number(a.name === WORKER));
}

/** Containers that wait for an image after another failed pull. */
export function imagePullBackOffs(pod: Pod): string[] {
  return waiting(pod)
    .filter((each) => each.reason === 'ImagePullBackOff')
    .map((each) => each.name);
}

/** A container that can never start, whatever happens; undefined where there is none. */
export function hopeless(pod: Pod): string | undefined {
  return waiting(pod).some((each) => each.reason === 'InvalidImageName') ? 'InvalidImageName' : undefined;
}

/** Reasons that only say that things take their course. */
const USUAL = ['ContainerCreating', 'PodInitializing', ''];

/** The waiting reason that belongs behind an error: the worker's, or the one of whoever keeps it waiting. */
export function waitingReason(pod: Pod): string {
  const all = waiting(pod);
  return all.find((each) => !USUAL.includes(each.reason))?.reason ?? all[0]?.reason ?? '';
}

/** Why the worker does not run yet, for a person: scheduling, then containers; then the image it is about. */
export function whyWaiting(pod: Pod): string {
  const scheduled = condition(pod, 'PodScheduled');
  if (scheduled?.status === 'False') return joined(scheduled.reason, scheduled.message);
  const all = waiting(pod);
  const first = all.find((each) => !USUAL.includes(each.reason)) ?? all[0];
  if (!first) return '';
  const who = first.name === WORKER ? '' : ` of container ${first.name}`;
  const image = first.image && !first.message.includes(first.image) ? ` (image ${first.image})` : '';
  return joined(`${first.reason || 'waiting'}${who}`, first.message) + image;
}

/** What a person should know of a pod whose worker runs; empty where all is well. */
export function whyUneasy(pod: Pod): string {
  const whole = disruption(pod);
  if (pod.metadata?.deletionTimestamp) return joined('the pod is being deleted', whole);
  if (whole !== '') return whole;
  const ready = condition(pod, 'Ready');
  // The node's controller takes away readiness without a word when a node is silent; a probe gives its reason.
  if (ready?.status === 'False' && !ready.reason) return 'the pod is not ready: its node may be unreachable';
  return '';
}

/** A warning, unless it only says again why the pod waits. */
export function newsOf(warning: string, why: string): string {
  const message = warning.replace(/^\w+: (Error: )?/, '');
  // The kubelet says the one of these while the status says the other.
  const known = why.includes(message) || /^(ErrImagePull|ImagePullBackOff)$/.test(message);
  return known ? '' : warning;
}
