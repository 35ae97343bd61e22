import { ApiError, type KubernetesApi } from './api.js';
import { backoffMs, pause } from './backoff.js';
import { lines } from './lines.js';
import { type Pod, type PodList, podPath, type WatchEvent } from './objects.js';

/** Which pod, and who is told. */
export interface FollowOptions {
  api: KubernetesApi;
  namespace: string;
  name: string;
  uid: string;
  signal: AbortSignal;
  /** The pod as it is now; told at least once a minute, also where nothing has changed. */
  onPod(pod: Pod): void;
  /** The pod does not exist any more, or another one has its name. Nothing is told afterwards. */
  onGone(): void;
  /** The API does not answer or refuses; an empty text: it answers again. */
  onTrouble(text: string): void;
  /** The API has refused too often. Nothing is told afterwards. */
  onRefused(text: string): void;
  /** How often a refusal is borne. Silence is borne for ever: the pod runs meanwhile. */
  tries: number;
  firstWaitMs: number;
  /** How long a watch stays open; it is looked at anew afterwards. Default 60 s. */
  watchSeconds?: number;
  /** What a watch may take longer than the server was asked for; then it is silent and not to be trusted. Default 10 s. */
  silenceMs?: number;
  /** How often to look where watching is forbidden. Default 2 s. */
  pollMs?: number;
}

/** A pod that is followed. */
export interface PodFollower {
  /** Looks at the pod now, whatever the watch says. */
  look(): void;
}

const LONGEST_WAIT_MS = 15_000;
/** A watch that ends sooner was of little use; the next one waits, ever longer up to a limit, before it is opened. */
const USEFUL_MS = 1_000;
const LONGEST_REST_MS = 2_000;

/**
 * Follows one pod: looks at it, watches from there, and looks again whenever the watch ends, breaks, goes silent or
 * is told that it is too old (410). Where the rights suffice for neither list nor watch, it looks every two seconds.
 */
export function followPod(options: FollowOptions): PodFollower {
  const { api, namespace, name, uid, signal } = options;
  const watchSeconds = options.watchSeconds ?? 60;
  const silenceMs = options.silenceMs ?? 10_000;
  const pollMs = options.pollMs ?? 2000;
  let interrupt = new AbortController();
  let lookAgain = false;
  let polling = false;
  let failures = 0;
  let refusals = 0;
  let shortWatches = 0;

  const isOurs = (pod: Pod | undefined): pod is Pod => pod?.metadata?.uid === uid;

  function answered(): void {
    if (failures > 0) options.onTrouble('');
    failures = 0;
    refusals = 0;
  }

  /** The pod and the version to watch from; undefined when it is gone. */
  async function read(): Promise<{ pod: Pod; version: string } | undefined> {
    if (polling) {
      try {
        const pod = await api.json<Pod>({ path: podPath(namespace, name), signal });
        return isOurs(pod) ? { pod, version: '' } : undefined;
      } catch (error) {
        if (error instanceof ApiError && error.status === 404) return undefined;
        throw error;
      }
    }
    const query = { fieldSelector: `metadata.name=${name}`, limit: 500 };
    const list = await api.json<PodList>({ path: podPath(namespace), query, signal });
    const pod = (list.items ?? []).find((each) => each.metadata?.name === name);
    return isOurs(pod) ? { pod, version: list.metadata?.resourceVersion ?? '' } : undefined;
  }

  /** Passes on what a watch says until it ends; returns whether the pod is gone. */
  async function watch(version: string, ended: AbortSignal): Promise<boolean> {
    const stream = await api.stream({
      path: podPath(namespace),
      query: {
        watch: true,
        allowWatchBookmarks: true,
        fieldSelector: `metadata.name=${name}`,
        resourceVersion: version,
        timeoutSeconds: watchSeconds,
      },
      signal: ended,
    });
    try {
      for await (const line of lines(stream)) {
        if (line.trim() === '') continue;
        const { type, object } = JSON.parse(line) as WatchEvent;
        if (type === 'ERROR') return false; // 410 Gone mostly; looking anew tells the rest
        if (type === 'BOOKMARK' || !isOurs(object)) continue;
        options.onPod(object);
        if (type === 'DELETED') return true;
      }
    } finally {
      stream.destroy();
    }
    return false;
  }

  async function watchFor(version: string): Promise<boolean> {
    interrupt = new AbortController();
    if (lookAgain) return false;
    const openedAt = Date.now();
    const silent = setTimeout(() => interrupt.abort(), watchSeconds * 1000 + silenceMs);
    try {
      return await watch(version, AbortSignal.any([signal, interrupt.signal]));
    } catch (error) {
      if (interrupt.signal.aborted || (error instanceof ApiError && error.status === 410)) return false;
      throw error;
    } finally {
      clearTimeout(silent);
      shortWatches = Date.now() - openedAt < USEFUL_MS ? shortWatches + 1 : 0;
    }
  }

  async function interruptiblePause(ms: number): Promise<void> {
    interrupt = new AbortController();
    if (lookAgain) return;
    await pause(ms, AbortSignal.any([signal, interrupt.signal])).catch(() => undefined);
  }

  /** Whether the API may be asked again after this error. */
  async function bear(error: unknown): Promise<boolean> {
    const refused = error instanceof ApiError && !error.transient;
    if (refused && error.status === 403 && !polling) {
      polling = true;
      return true;
    }
    const text = error instanceof Error ? error.message : String(error);
    failures += 1;
    if (refused) {
      refusals += 1;
      if (refusals >= options.tries) {
        options.onRefused(text);
        return false;
      }
    }
    // A single broken connection is no news.
    if (refused || failures > 1) options.onTrouble(`the Kubernetes API: ${text}`);
    const asked = error instanceof ApiError ? error.retryAfterMs : undefined;
    const wait = asked ?? Math.min(backoffMs(failures, options.firstWaitMs), LONGEST_WAIT_MS);
    await interruptiblePause(wait);
    return true;
  }

  async function follow(): Promise<void> {
    while (!signal.aborted) {
      lookAgain = false;
      try {
        const seen = await read();
        if (signal.aborted) return;
        answered();
        if (!seen) return options.onGone();
        options.onPod(seen.pod);
        if (polling) await interruptiblePause(pollMs);
        else if (await watchFor(seen.version)) return options.onGone();
        // One short watch is an event that was told; only then is it a server, or one on the way, that cannot do better.
        if (shortWatches > 1) await interruptiblePause(Math.min(25 * 2 ** shortWatches, LONGEST_REST_MS));
      } catch (error) {
        if (signal.aborted || !(await bear(error))) return;
      }
    }
  }

  void follow();
  return {
    look() {
      lookAgain = true;
      interrupt.abort();
    },
  };
}
