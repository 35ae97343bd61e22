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
  const about = [uid, text.reason, text.message, text.container].join('\0');
  const same = store.events.get(namespace, store.eventNames.get(about) ?? '');
  if (same) {
    store.events.put({ ...same, count: same.count + 1, lastTimestamp: now });
    return;
  }
  const eventName = `${name}.${process.hrtime.bigint().toString(16).padStart(16, '0')}`;
  store.eventNames.set(about, eventName);
  const event: KubeEvent = {
    kind: 'Event',
    apiVersion: 'v1',
    metadata: {
      // As in real life, the names of a pod's events sort by time.
      name: eventName,
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
  const oldest = store.events.size > KEPT ? store.events.oldest() : undefined;
  if (oldest) store.events.remove(oldest.metadata.namespace, oldest.metadata.name);
  const longAgo = store.eventNames.size > KEPT ? store.eventNames.keys().next().value : undefined;
  if (longAgo !== undefined) store.eventNames.delete(longAgo);
};

/** Events live for an hour in a real cluster; here so many are kept. */
const KEPT = 5_000;
