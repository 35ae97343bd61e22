import type { Wish } from '../access.js';
import type { Operation } from '../faults.js';
import { methodNotAllowed, noSuchResource } from '../status.js';
import { attach } from './attach.js';
import { type Call, flag } from './call.js';
import { getEvent, listOrWatch } from './collections.js';
import { getDiscovery, getVersion, namespaces, type VERSION } from './discovery.js';
import { getLog } from './log.js';
import { createPod, deletePod, getPod } from './pods.js';

/** Where a request leads. */
export interface Route {
  operation: Operation;
  namespace: string;
  name: string;
  /** What RBAC is asked; undefined for what everyone may see. */
  wish?: Wish;
  handle: (call: Call) => void | Promise<void>;
}

const PATH = /^\/api\/v1(?:\/namespaces\/([^/]+))?\/(pods|events)(?:\/([^/]+)(?:\/(log|attach))?)?$/;
const NAMESPACE = /^\/api\/v1\/namespaces(?:\/([^/]+))?$/;
const OPEN = /^\/(healthz|livez|readyz)$/;
const DISCOVERY = /^\/(api|apis|api\/v1)$/;

/** Finds the way for a method and a path. */
export const route = (
  method: string,
  path: string,
  query: URLSearchParams,
  version: typeof VERSION,
): Route => {
  const plain = (operation: Operation, handle: Route['handle']): Route => ({
    operation,
    namespace: '',
    name: '',
    handle,
  });
  if (path === '/version') return plain('version', (call) => getVersion(call, version));
  if (OPEN.test(path)) return plain('other', ({ response }) => void response.end('ok'));
  if (DISCOVERY.test(path)) return plain('other', (call) => getDiscovery(call, path));
  const space = NAMESPACE.exec(path);
  if (space) return namespaceRoute(method, decodeURIComponent(space[1] ?? ''));
  const [, inNamespace = '', resource, ofName = '', part] = PATH.exec(path) ?? [];
  if (resource === undefined) return plain('other', () => refuse(noSuchResource()));
  const namespace = decodeURIComponent(inNamespace);
  const name = decodeURIComponent(ofName);
  const to = (operation: Operation, verb: string, handle: Route['handle']): Route => {
    const wish = { verb, resource: part ? `${resource}/${part}` : resource, namespace, name };
    return { operation, namespace, name, wish, handle };
  };
  if (part === 'log' && method === 'GET') return to('log', 'get', getLog);
  if (part === 'attach' && (method === 'GET' || method === 'POST'))
    return to('attach', method === 'GET' ? 'get' : 'create', attach);
  if (part === undefined && method === 'GET' && name === '') {
    const watching = flag(query, 'watch');
    const operation = resource === 'events' ? 'events' : watching ? 'watch' : 'list';
    return to(operation, watching ? 'watch' : 'list', (call) =>
      listOrWatch(call, resource as 'pods' | 'events'),
    );
  }
  if (part === undefined && method === 'GET')
    return resource === 'pods' ? to('get', 'get', getPod) : to('events', 'get', getEvent);
  if (resource === 'pods' && part === undefined) {
    if (method === 'POST' && name === '' && namespace !== '') return to('create', 'create', createPod);
    if (method === 'DELETE' && name !== '') return to('delete', 'delete', deletePod);
  }
  return plain('other', () => refuse(methodNotAllowed()));
};

const namespaceRoute = (method: string, name: string): Route => {
  const verbs: Record<string, string> = {
    GET: name === '' ? 'list' : 'get',
    POST: 'create',
    DELETE: 'delete',
  };
  const verb = verbs[method];
  if (verb === undefined)
    return { operation: 'other', namespace: '', name, handle: () => refuse(methodNotAllowed()) };
  return {
    operation: 'namespaces',
    namespace: name,
    name: '',
    wish: { verb, resource: 'namespaces', namespace: name, name },
    handle: (call) => namespaces(call, name),
  };
};

const refuse = (refusal: Error): never => {
  throw refusal;
};
