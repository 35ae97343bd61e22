import type { KubeObject } from '../objects.js';
import { fieldSelector, labelSelector } from '../selectors.js';
import { badRequest, noSuchResource, Refusal } from '../status.js';
import type { Change, Collection } from '../store.js';
import { type Call, flag, integer, sendJson, staySilent, write } from './call.js';

/** How long a watch lasts that names no time. */
const WATCH_SECONDS = 1800;

/** `GET` of a collection: a list, or a watch. */
export const listOrWatch = async (call: Call, kind: 'pods' | 'events'): Promise<void> => {
  const fields = fieldSelector(kind, call.query.get('fieldSelector') ?? '');
  const labels = labelSelector(call.query.get('labelSelector') ?? '');
  const { namespace } = call.record;
  const chosen = (object: KubeObject) =>
    (namespace === '' || object.metadata.namespace === namespace) && fields(object) && labels(object);
  const collection = call.cluster.store[kind] as unknown as Collection<KubeObject>;
  if (flag(call.query, 'watch')) await watch(call, collection, chosen);
  else list(call, kind, collection, chosen);
};

const revisionOf = ({ query }: Call): number | undefined => {
  const text = query.get('resourceVersion') ?? '';
  if (text === '') return undefined;
  if (!/^\d+$/.test(text))
    throw new Refusal(
      500,
      undefined,
      `resourceVersion: Invalid value: ${JSON.stringify(text)}: strconv.ParseUint: parsing ${JSON.stringify(text)}: invalid syntax`,
    );
  return Number(text);
};

const list = (
  call: Call,
  kind: 'pods' | 'events',
  collection: Collection<KubeObject>,
  chosen: (object: KubeObject) => boolean,
): void => {
  const { revision } = call.cluster.store;
  const asked = revisionOf(call) ?? 0;
  if (asked > revision)
    throw new Refusal(504, 'Timeout', `Timeout: Too large resource version: ${asked}, current: ${revision}`, {
      causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
      retryAfterSeconds: 1,
    });
  const key = ({ metadata }: KubeObject) => `${metadata.namespace}/${metadata.name}`;
  const after = continuation(call.query.get('continue') ?? '');
  const found = collection.all().filter((object) => chosen(object) && key(object) > after);
  // As the API server does, a list asked for with resourceVersion=0 is given in full.
  const limit = call.query.get('resourceVersion') === '0' ? 0 : (integer(call.query, 'limit') ?? 0);
  const items = limit > 0 ? found.slice(0, limit) : found;
  const last = items.at(-1);
  const more =
    last && items.length < found.length
      ? {
          continue: Buffer.from(JSON.stringify({ after: key(last) })).toString('base64url'),
          remainingItemCount: found.length - items.length,
        }
      : {};
  sendJson(call, 200, {
    kind: kind === 'pods' ? 'PodList' : 'EventList',
    apiVersion: 'v1',
    metadata: { resourceVersion: String(revision), ...more },
    items: items.map(({ kind: _kind, apiVersion: _apiVersion, ...object }) => object),
  });
};

const continuation = (token: string): string => {
  if (token === '') return '';
  try {
    const { after } = JSON.parse(Buffer.from(token, 'base64url').toString()) as { after?: unknown };
    if (typeof after === 'string') return after;
  } catch {
    // Told below.
  }
  throw badRequest('continue key is not valid');
};

/** Sends changes until the client goes or the time is over. */
const watch = async (
  call: Call,
  collection: Collection<KubeObject>,
  chosen: (object: KubeObject) => boolean,
): Promise<void> => {
  const { query, response, signal, fault, cluster } = call;
  const from = revisionOf(call);
  const seconds = integer(query, 'timeoutSeconds') || WATCH_SECONDS;
  const queue: string[] = [];
  let wake = () => {};
  const push = (type: string, object: unknown) => {
    queue.push(`${JSON.stringify({ type, object })}\n`);
    wake();
  };
  const tell = ({ type, object }: Change) => {
    if (chosen(object)) push(type, object);
  };
  const bookmark = (annotations?: Record<string, string>) =>
    push('BOOKMARK', {
      kind: 'Pod',
      apiVersion: 'v1',
      metadata: { resourceVersion: String(cluster.store.revision), ...(annotations ? { annotations } : {}) },
      spec: { containers: null },
      status: {},
    });
  let ended = false;
  const bookmarks = flag(query, 'allowWatchBookmarks');
  const past = from ? collection.since(from) : undefined;
  if (past) for (const change of past) tell(change);
  else if (from) {
    push('ERROR', gone(from, cluster.store.revision).toStatus());
    ended = true;
  } else {
    for (const object of collection.all()) if (chosen(object)) push('ADDED', object);
    if (bookmarks && from === undefined) bookmark({ 'k8s.io/initial-events-end': 'true' });
  }
  const unsubscribe = collection.subscribe(tell);
  const end = () => {
    ended = true;
    wake();
  };
  const timer = setTimeout(end, seconds * 1000);
  const ticks = bookmarks ? setInterval(() => bookmark(), cluster.bookmarkMs) : undefined;
  signal.addEventListener('abort', end, { once: true });
  response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-cache, private' });
  response.flushHeaders();
  try {
    for (let sent = 0; ; ) {
      if (sent === fault.silentAfter) return await staySilent(call);
      if (sent === fault.goneAfter) {
        await write(
          call,
          `${JSON.stringify({ type: 'ERROR', object: gone(from ?? 0, cluster.store.revision).toStatus() })}\n`,
        );
        break;
      }
      if (sent === fault.cutAfter) {
        if (fault.cutBy === 'reset') response.destroy();
        break;
      }
      const event = queue.shift();
      if (event !== undefined) {
        await write(call, event);
        sent += 1;
      } else if (ended) break;
      else
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
    }
  } finally {
    unsubscribe();
    clearTimeout(timer);
    clearInterval(ticks);
  }
  response.end();
};

const gone = (asked: number, now: number) =>
  new Refusal(410, 'Expired', `too old resource version: ${asked} (${now})`);

/** `GET …/events/<name>` */
export const getEvent = (call: Call): void => {
  const event = call.cluster.store.events.get(call.record.namespace, call.record.name);
  if (!event) throw noSuchResource();
  sendJson(call, 200, event);
};
