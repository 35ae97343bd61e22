/** The part of Kubernetes' object model that the simulator reads or writes. Other fields are kept as they came. */

/** `metadata` of an object. */
interface ObjectMeta {
  name: string;
  generateName?: string;
  namespace: string;
  uid: string;
  resourceVersion: string;
  generation?: number;
  creationTimestamp: string;
  deletionTimestamp?: string;
  deletionGracePeriodSeconds?: number;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  [field: string]: unknown;
}

/** One container of a pod's specification. */
export interface ContainerSpec {
  name: string;
  image: string;
  command?: string[];
  args?: string[];
  workingDir?: string;
  env?: { name: string; value?: string }[];
  stdin?: boolean;
  stdinOnce?: boolean;
  terminationMessagePath?: string;
  terminationMessagePolicy?: string;
  [field: string]: unknown;
}

/** State of a container; exactly one of the three is set. */
export interface ContainerState {
  waiting?: { reason?: string; message?: string };
  running?: { startedAt: string };
  terminated?: {
    exitCode: number;
    reason?: string;
    message?: string;
    startedAt: string;
    finishedAt: string;
    containerID: string;
  };
}

/** Status of one container. */
export interface ContainerStatus {
  name: string;
  state: ContainerState;
  lastState: ContainerState;
  ready: boolean;
  restartCount: number;
  image: string;
  imageID: string;
  containerID?: string;
  started: boolean;
}

/** One condition of a pod. */
export interface PodCondition {
  type: string;
  status: 'True' | 'False' | 'Unknown';
  observedGeneration?: number;
  lastProbeTime: null;
  lastTransitionTime: string;
  reason?: string;
  message?: string;
}

/** Status of a pod. */
export interface PodStatus {
  observedGeneration?: number;
  phase: 'Pending' | 'Running' | 'Succeeded' | 'Failed' | 'Unknown';
  conditions?: PodCondition[];
  reason?: string;
  message?: string;
  hostIP?: string;
  hostIPs?: { ip: string }[];
  podIP?: string;
  podIPs?: { ip: string }[];
  startTime?: string;
  initContainerStatuses?: ContainerStatus[];
  containerStatuses?: ContainerStatus[];
  qosClass: string;
}

/** A pod. */
export interface Pod {
  kind: 'Pod';
  apiVersion: 'v1';
  metadata: ObjectMeta;
  spec: {
    containers: ContainerSpec[];
    initContainers?: ContainerSpec[];
    restartPolicy: string;
    terminationGracePeriodSeconds: number;
    nodeName?: string;
    [field: string]: unknown;
  };
  status: PodStatus;
}

/** An event about an object. */
export interface KubeEvent {
  kind: 'Event';
  apiVersion: 'v1';
  metadata: ObjectMeta;
  involvedObject: Record<string, string>;
  reason: string;
  message: string;
  type: 'Normal' | 'Warning';
  source: { component?: string; host?: string };
  firstTimestamp: string;
  lastTimestamp: string;
  count: number;
  eventTime: null;
  reportingComponent: string;
  reportingInstance: string;
}

/** What the store keeps. */
export type KubeObject = Pod | KubeEvent;

/** Kubernetes' time: RFC 3339, whole seconds, UTC. */
export const kubeTime = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19)}Z`;
