import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { AnyFault, RecordedRequest } from '../faults.js';
import type { PodLife } from '../pods/pod-life.js';
import type { PodRegistry } from '../pods/registry.js';
import { badRequest, notFound, Refusal } from '../status.js';
import type { Store } from '../store.js';

/** What the handlers of the API work on. */
export interface Cluster {
  readonly store: Store;
  readonly pods: PodRegistry;
  /** Milliseconds between the bookmarks of a watch. */
  readonly bookmarkMs: number;
}

/** One request under way. */
export interface Call {
  readonly cluster: Cluster;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly record: RecordedRequest;
  readonly query: URLSearchParams;
  readonly fault: AnyFault;
  /** Aborted when the client has gone. */
  readonly signal: AbortSignal;
  /** For a WebSocket: what is needed to accept it. */
  readonly upgrade: { socket: Duplex; head: Buffer } | undefined;
}

const MAX_BODY = 3 * 1024 * 1024;

/** Reads the request's body. @throws Refusal 413 for one that is too long. */
export const readBody = async ({ request }: Call): Promise<string> => {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MAX_BODY)
      throw new Refusal(413, 'RequestEntityTooLarge', `Request entity too large: limit is ${MAX_BODY}`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
};

/** Answers with JSON. */
export const sendJson = ({ response }: Call, status: number, body: unknown): void => {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    'content-type': 'application/json',
    'cache-control': 'no-cache, private',
    'content-length': Buffer.byteLength(text),
  });
  response.end(text);
};

/** Answers with a refusal's Status. */
export const sendRefusal = (call: Call, refusal: Refusal): void => {
  const seconds = refusal.details?.retryAfterSeconds;
  if (seconds !== undefined) call.response.setHeader('retry-after', seconds);
  sendJson(call, refusal.code, refusal.toStatus());
};

/** Writes, and waits where the client reads slowly. */
export const write = async ({ response, signal }: Call, chunk: Uint8Array | string): Promise<void> => {
  if (signal.aborted || response.write(chunk)) return;
  await new Promise<void>((resolve) => {
    const done = () => {
      response.off('drain', done);
      signal.removeEventListener('abort', done);
      resolve();
    };
    response.on('drain', done);
    signal.addEventListener('abort', done, { once: true });
  });
};

/** Keeps the connection open and silent until the client goes. */
export const staySilent = ({ signal }: Call): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });

/** The pod of the path. @throws Refusal 404 */
export const podOf = ({ cluster, record }: Call): PodLife => {
  const life = cluster.pods.find(record.namespace, record.name);
  if (!life) throw notFound('pods', record.name);
  return life;
};

/** The container that a log or attach request means. @throws Refusal 400 where that is not clear. */
export const containerOf = ({ query }: Call, life: PodLife) => {
  const all = [...life.initContainers, ...life.containers];
  const asked = query.get('container') ?? '';
  if (asked === '') {
    const [first, ...others] = life.containers;
    if (first && others.length === 0 && life.initContainers.length === 0) return first;
    const names = (containers: typeof all) => containers.map(({ spec }) => spec.name).join(' ');
    const init =
      life.initContainers.length > 0 ? ` or one of the init containers: [${names(life.initContainers)}]` : '';
    throw badRequest(
      `a container name must be specified for pod ${life.name}, choose one of: [${names(life.containers)}]${init}`,
    );
  }
  const container = all.find(({ spec }) => spec.name === asked);
  if (!container) throw badRequest(`container ${asked} is not valid for pod ${life.name}`);
  return container;
};

/** A boolean of a query, as Go's API machinery reads it. */
export const flag = (query: URLSearchParams, name: string): boolean => {
  const value = query.get(name);
  return value !== null && value !== '0' && value.toLowerCase() !== 'false';
};

/** A whole number of a query. @throws Refusal 400 */
export const integer = (query: URLSearchParams, name: string): number | undefined => {
  const value = query.get(name);
  if (value === null || value === '') return undefined;
  if (!/^[+-]?\d+$/.test(value))
    throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(value)}: invalid syntax`);
  return Number(value);
};

/** What a node that does not answer makes of a log or attach request. */
export const nodeUnreachable = (life: PodLife, path: string) =>
  new Refusal(
    500,
    undefined,
    `Get "https://10.244.0.1:10250/${path}/${life.namespace}/${life.name}": dial tcp 10.244.0.1:10250: connect: no route to host`,
  );
