import { randomUUID } from 'node:crypto';
import { kubeTime } from '../objects.js';
import { alreadyExists, badRequest, notFound } from '../status.js';
import type { Store } from '../store.js';
import { type Call, readBody, sendJson } from './call.js';

/** The Kubernetes version the simulator stands for. */
export const VERSION = { major: '1', minor: '34', gitVersion: 'v1.34.4' };

/** `GET /version` */
export const getVersion = (call: Call, version: typeof VERSION): void =>
  sendJson(call, 200, {
    ...version,
    gitCommit: 'simulator',
    gitTreeState: 'clean',
    buildDate: '1970-01-01T00:00:00Z',
    goVersion: 'none',
    compiler: 'none',
    platform: 'kubernetes-simulator',
  });

/** `GET /api`, `/apis` and `/api/v1`, from which kubectl learns what there is. */
export const getDiscovery = (call: Call, path: string): void => {
  if (path === '/api') sendJson(call, 200, { kind: 'APIVersions', versions: ['v1'] });
  else if (path === '/apis') sendJson(call, 200, { kind: 'APIGroupList', apiVersion: 'v1', groups: [] });
  else sendJson(call, 200, { kind: 'APIResourceList', groupVersion: 'v1', resources: RESOURCES });
};

const resource = (name: string, kind: string, namespaced: boolean, verbs: string[]) => ({
  name,
  singularName: name.includes('/') ? '' : kind.toLowerCase(),
  namespaced,
  kind,
  verbs,
});

const RESOURCES = [
  resource('pods', 'Pod', true, ['create', 'delete', 'get', 'list', 'watch']),
  resource('pods/log', 'Pod', true, ['get']),
  resource('pods/attach', 'PodAttachOptions', true, ['create', 'get']),
  resource('events', 'Event', true, ['get', 'list', 'watch']),
  resource('namespaces', 'Namespace', false, ['create', 'delete', 'get', 'list']),
];

/** Adds a namespace. @throws Refusal 409 if it exists. */
export const addNamespace = (store: Store, name: string): void => {
  if (store.namespaces.has(name)) throw alreadyExists('namespaces', name);
  store.namespaces.set(name, { uid: randomUUID(), created: kubeTime(Date.now()), revision: store.next() });
};

const namespaceObject = (store: Store, name: string) => {
  const namespace = store.namespaces.get(name);
  if (!namespace) throw notFound('namespaces', name);
  return {
    kind: 'Namespace',
    apiVersion: 'v1',
    metadata: {
      name,
      uid: namespace.uid,
      resourceVersion: String(namespace.revision),
      creationTimestamp: namespace.created,
      labels: { 'kubernetes.io/metadata.name': name },
    },
    spec: { finalizers: ['kubernetes'] },
    status: { phase: 'Active' },
  };
};

/** Everything about namespaces. `name` is empty for the collection. */
export const namespaces = async (call: Call, name: string): Promise<void> => {
  const { store, pods } = call.cluster;
  if (call.request.method === 'POST') {
    const body = JSON.parse((await readBody(call)) || '{}') as { metadata?: { name?: unknown } };
    const asked = body.metadata?.name;
    if (typeof asked !== 'string' || asked === '') throw badRequest('name is required');
    addNamespace(store, asked);
    sendJson(call, 201, namespaceObject(store, asked));
  } else if (call.request.method === 'DELETE') {
    const object = namespaceObject(store, name);
    store.namespaces.delete(name);
    for (const pod of store.pods.all().filter(({ metadata }) => metadata.namespace === name))
      await pods.find(name, pod.metadata.name)?.destroy();
    sendJson(call, 200, { ...object, status: { phase: 'Terminating' } });
  } else if (name !== '') sendJson(call, 200, namespaceObject(store, name));
  else
    sendJson(call, 200, {
      kind: 'NamespaceList',
      apiVersion: 'v1',
      metadata: { resourceVersion: String(store.revision) },
      items: [...store.namespaces.keys()].map((each) => namespaceObject(store, each)),
    });
};
