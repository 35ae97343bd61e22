/** The members of Kubernetes' objects that this worker reads (v1). All are optional: a server is not believed blindly. */

export interface Metadata {
  name?: string;
  generateName?: string;
  namespace?: string;
  uid?: string;
  resourceVersion?: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  creationTimestamp?: string;
  deletionTimestamp?: string;
}

export interface ContainerState {
  waiting?: { reason?: string; message?: string };
  running?: { startedAt?: string };
  terminated?: {
    exitCode?: number;
    reason?: string;
    message?: string;
    signal?: number;
    startedAt?: string;
    finishedAt?: string;
  };
}

export interface ContainerStatus {
  name?: string;
  image?: string;
  state?: ContainerState;
}

export interface Condition {
  type?: string;
  status?: string;
  reason?: string;
  message?: string;
}

export interface Container {
  name?: string;
  image?: string;
  [member: string]: unknown;
}

export interface PodSpec {
  containers?: Container[];
  /** Where it has been placed; absent while it waits for a node. */
  nodeName?: string;
  [member: string]: unknown;
}

export interface Pod {
  apiVersion?: string;
  kind?: string;
  metadata?: Metadata;
  spec?: PodSpec;
  status?: {
    phase?: string;
    reason?: string;
    message?: string;
    conditions?: Condition[];
    containerStatuses?: ContainerStatus[];
    initContainerStatuses?: ContainerStatus[];
  };
}

export interface PodList {
  metadata?: { resourceVersion?: string; continue?: string };
  items?: Pod[];
}

/** A line of a watch. */
export interface WatchEvent {
  type?: string;
  object?: Pod & { code?: number; message?: string; reason?: string };
}

export interface EventList {
  items?: {
    metadata?: Metadata;
    type?: string;
    reason?: string;
    message?: string;
    lastTimestamp?: string | null;
  }[];
}

/** The path of a namespace's pods, or of one pod, or of something below it. */
export function podPath(namespace: string, name?: string, below?: 'log' | 'attach'): string {
  const parts = [namespace, 'pods', ...(name === undefined ? [] : [name]), ...(below ? [below] : [])];
  return `/api/v1/namespaces/${parts.map(encodeURIComponent).join('/')}`;
}
