import { randomUUID } from 'node:crypto';
import { type KubeEvent, kubeTime, type Pod } from '../objects.js';
import type { Store } from '../store.js';

/** What an event says. */
export interface EventText {
  type: 'Normal' | 'Warning';
  reason: string;
  message: string;
  /** Default `kubelet`. */
  component?: string;
  /** The container it is about. */
  container?: string;
}

/** Records an event about a pod; one that was there before is counted. */
export const recordEvent = (store: Store, pod: Pod, text: EventText): void => {
  const { namespace, name, uid, resourceVersion } = pod.metadata;
  const now = kubeTime(Date.now());
  const component = text.component ?? 'kubelet';
  const same = store.events
    .all()
    .find(
      (event) =>
        event.involvedObject.uid === uid && event.reason === text.reason && event.message === text.message,
    );
  if (same) {
    store.events.put({ ...same, count: same.count + 1, lastTimestamp: now });
    return;
  }
  const event: KubeEvent = {
    kind: 'Event',
    apiVersion: 'v1',
    metadata: {
      name: `${name}.${process.hrtime.bigint().toString(16)}`,
      namespace,
      uid: randomUUID(),
      resourceVersion: '',
      creationTimestamp: now,
    },
    involvedObject: {
      kind: 'Pod',
      namespace,
      name,
      uid,
      apiVersion: 'v1',
      resourceVersion,
      ...(text.container === undefined ? {} : { fieldPath: `spec.containers{${text.container}}` }),
    },
    reason: text.reason,
    message: text.message,
    source: { component, ...(component === 'kubelet' ? { host: 'node' } : {}) },
    firstTimestamp: now,
    lastTimestamp: now,
    count: 1,
    type: text.type,
    eventTime: null,
    reportingComponent: component,
    reportingInstance: component === 'kubelet' ? 'node' : component,
  };
  store.events.put(event);
  prune(store, namespace);
};

/** Events live for an hour in a real cluster; here so many of a namespace. */
const KEPT = 1_000;

const prune = (store: Store, namespace: string): void => {
  const events = store.events.all().filter((event) => event.metadata.namespace === namespace);
  const byAge = events.sort(
    (a, b) => Number(a.metadata.resourceVersion) - Number(b.metadata.resourceVersion),
  );
  for (const event of byAge.slice(0, -KEPT)) store.events.remove(namespace, event.metadata.name);
};
