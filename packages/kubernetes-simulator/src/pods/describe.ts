import type {
  ContainerSpec,
  ContainerState,
  ContainerStatus,
  Pod,
  PodCondition,
  PodStatus,
} from '../objects.js';

/** What is known of a container. */
interface ContainerView {
  spec: ContainerSpec;
  id: string;
  state: ContainerState;
}

/** What is known of a pod: enough to write its status. */
export interface PodView {
  /** Present time, as Kubernetes writes it. */
  now: string;
  /** Undefined once a node was found; until then, why none was, or empty while it was not tried. */
  unscheduled?: string | undefined;
  /** Set once the node has taken the pod. */
  startTime?: string | undefined;
  podIP?: string | undefined;
  /** The pod's network is there. */
  sandbox: boolean;
  initContainers: readonly ContainerView[];
  containers: readonly ContainerView[];
  /** The node has seen that all is over. */
  over: boolean;
  /** Set for a pod that failed as a whole, such as Evicted. */
  failure?: { reason: string; message: string } | undefined;
  /** The node no longer answers. */
  lost?: boolean | undefined;
}

const HOST_IP = '10.244.0.1';

/** The status of a pod: a function of what is known of it, and of its former status for the times of change. */
export const describePod = (pod: Pod, view: PodView): PodStatus => {
  const qosClass = pod.status.qosClass;
  if (view.unscheduled === '') return { phase: 'Pending', qosClass };
  if (view.unscheduled !== undefined) {
    const condition = scheduled(pod, view, 'False', { reason: 'Unschedulable', message: view.unscheduled });
    return { phase: 'Pending', conditions: [condition], qosClass };
  }
  if (view.startTime === undefined)
    return { phase: 'Pending', conditions: [scheduled(pod, view, 'True')], qosClass };
  return {
    observedGeneration: pod.metadata.generation ?? 1,
    phase: phase(view),
    conditions: conditions(pod, view),
    ...(view.failure ?? {}),
    ...(view.lost
      ? {
          reason: 'NodeLost',
          message: `Node ${pod.spec.nodeName} which was running pod ${pod.metadata.name} is unresponsive`,
        }
      : {}),
    hostIP: HOST_IP,
    hostIPs: [{ ip: HOST_IP }],
    ...(view.podIP === undefined || !view.sandbox ? {} : { podIP: view.podIP, podIPs: [{ ip: view.podIP }] }),
    startTime: view.startTime,
    ...(view.initContainers.length > 0
      ? { initContainerStatuses: view.initContainers.map(containerStatus) }
      : {}),
    containerStatuses: view.containers.map(containerStatus),
    qosClass,
  };
};

const phase = (view: PodView): PodStatus['phase'] => {
  if (view.over) return view.failure || failed(view) ? 'Failed' : 'Succeeded';
  return view.containers.some(({ state }) => state.running || state.terminated) ? 'Running' : 'Pending';
};

const failed = (view: PodView): boolean =>
  [...view.initContainers, ...view.containers].some(({ state }) => (state.terminated?.exitCode ?? 0) !== 0);

const containerStatus = ({ spec, id, state }: ContainerView): ContainerStatus => {
  const created = state.running !== undefined || state.terminated !== undefined;
  return {
    name: spec.name,
    state,
    lastState: {},
    ready: state.running !== undefined,
    restartCount: 0,
    image: spec.image,
    imageID: created ? `simulator/${spec.image}` : '',
    ...(created ? { containerID: id } : {}),
    started: state.running !== undefined,
  };
};

const scheduled = (pod: Pod, view: PodView, status: 'True' | 'False', why = {}): PodCondition =>
  timed(pod, { type: 'PodScheduled', status, lastProbeTime: null, lastTransitionTime: view.now, ...why });

const conditions = (pod: Pod, view: PodView): PodCondition[] => {
  const observedGeneration = pod.metadata.generation ?? 1;
  const condition = (type: string, ok: boolean, why: { reason?: string; message?: string } = {}) =>
    timed(pod, {
      type,
      observedGeneration,
      status: ok ? 'True' : 'False',
      lastProbeTime: null,
      lastTransitionTime: view.now,
      ...why,
    });
  const unready = view.containers.filter(({ state }) => !state.running).map(({ spec }) => spec.name);
  const ended = view.containers.every(({ state }) => state.terminated);
  const ready = unready.length === 0 && !view.lost;
  const initialized = view.initContainers.every(({ state }) => state.terminated?.exitCode === 0);
  const waitingInit = view.initContainers.filter(({ state }) => state.terminated?.exitCode !== 0);
  const why =
    ready || view.lost
      ? {}
      : ended
        ? { reason: failed(view) ? 'PodFailed' : 'PodCompleted' }
        : { reason: 'ContainersNotReady', message: `containers with unready status: [${unready.join(' ')}]` };
  return [
    condition('PodReadyToStartContainers', view.sandbox && !view.over),
    condition(
      'Initialized',
      initialized,
      initialized
        ? ended && !failed(view)
          ? { reason: 'PodCompleted' }
          : {}
        : {
            reason: 'ContainersNotInitialized',
            message: `containers with incomplete status: [${waitingInit.map(({ spec }) => spec.name).join(' ')}]`,
          },
    ),
    condition('Ready', ready, why),
    condition('ContainersReady', ready, why),
    { ...scheduled(pod, view, 'True'), observedGeneration },
  ];
};

/** Keeps the time of the last change for a condition that did not change. */
const timed = (pod: Pod, condition: PodCondition): PodCondition => {
  const before = pod.status.conditions?.find(({ type }) => type === condition.type);
  return before?.status === condition.status
    ? { ...condition, lastTransitionTime: before.lastTransitionTime }
    : condition;
};
