import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ApiError, type ApiRequest, type KubernetesApi } from '../../src/workers/kubernetes/api.js';
import { createPod } from '../../src/workers/kubernetes/create-pod.js';
import type { Pod } from '../../src/workers/kubernetes/objects.js';
import { buildPod } from '../../src/workers/kubernetes/pod.js';

const POD = buildPod({
  image: 'x',
  command: '',
  params: '',
  document: '',
  namespace: 'default',
  workType: 'kubeit',
  nodeId: 'foo',
  unitId: 'AbCd1234',
});

/** What becomes of one request. `lost`: done, but not answered. `crash`: the process ends, before or after it is done. */
type Fate =
  | 'ok'
  | 'lost'
  | 'refused'
  | 'failed'
  | 'throttled'
  | 'unreachable'
  | 'conflict'
  | 'crash'
  | 'lostCrash';

class Crash extends Error {}

/** A cluster that does with each request what fate wills; when fate has run out, all is well. */
class Cluster {
  readonly pods = new Map<string, Pod>();
  #uids = 0;

  constructor(readonly fates: Fate[]) {}

  readonly api: KubernetesApi = {
    defaultNamespace: 'default',
    json: async <T>(request: ApiRequest): Promise<T> => this.#answer(request) as T,
    stream: () => Promise.reject(new Error('not asked for')),
    webSocket: () => Promise.reject(new Error('not asked for')),
  };

  get ours(): Pod[] {
    return [...this.pods.values()].filter(
      ({ metadata }) => metadata?.labels?.['receptor/unit'] === 'AbCd1234',
    );
  }

  #answer(request: ApiRequest): Pod {
    const fate = this.fates.shift() ?? 'ok';
    const error = (status: number, reason: string) =>
      new ApiError(reason, { status, reason, retryAfterMs: 0 });
    if (fate === 'unreachable') throw error(0, 'ECONNREFUSED');
    if (fate === 'failed') throw error(500, 'InternalError');
    if (fate === 'throttled') throw error(429, 'TooManyRequests');
    if (fate === 'refused') throw error(403, 'Forbidden');
    if (fate === 'crash') throw new Crash();
    const pod = request.method === 'POST' ? this.#create(request, fate === 'conflict') : this.#get(request);
    if (fate === 'lost') throw error(0, 'ECONNRESET');
    if (fate === 'lostCrash') throw new Crash();
    return pod;
  }

  #create({ body }: ApiRequest, taken: boolean): Pod {
    const pod = body as Pod;
    const name = pod.metadata?.name ?? '';
    // Somebody else has drawn the same name.
    if (taken && !this.pods.has(name)) this.pods.set(name, { metadata: { name, uid: 'other' } });
    if (this.pods.has(name)) throw new ApiError('exists', { status: 409, reason: 'AlreadyExists' });
    this.#uids += 1;
    const made: Pod = { ...pod, metadata: { ...pod.metadata, uid: `uid-${this.#uids}` } };
    this.pods.set(name, made);
    return made;
  }

  #get({ path }: ApiRequest): Pod {
    const pod = this.pods.get(path.split('/').at(-1) ?? '');
    if (!pod) throw new ApiError('not found', { status: 404, reason: 'NotFound' });
    return pod;
  }
}

/** Creates, and begins anew with the name that was written down whenever the process has crashed. */
async function create(
  cluster: Cluster,
): Promise<{ made?: Pod; error?: unknown; nothingMade: boolean; name: string }> {
  let name = '';
  for (;;) {
    let nothingMade = false;
    try {
      const made = await createPod({
        api: cluster.api,
        pod: POD,
        name,
        persistName: async (chosen) => {
          name = chosen;
        },
        signal: new AbortController().signal,
        tries: 4,
        firstWaitMs: 0,
        onRetry: () => undefined,
        nothingMade: () => {
          nothingMade = true;
        },
      });
      return { made, nothingMade, name };
    } catch (error) {
      if (!(error instanceof Crash)) return { error, nothingMade, name };
    }
  }
}

const fates = fc.array(
  fc.constantFrom<Fate>(
    'ok',
    'lost',
    'refused',
    'failed',
    'throttled',
    'unreachable',
    'conflict',
    'crash',
    'lostCrash',
  ),
  { maxLength: 12 },
);

describe('createPod', () => {
  it('makes one pod, whatever becomes of the requests and of the process', async () => {
    await fc.assert(
      fc.asyncProperty(fates, async (story) => {
        const cluster = new Cluster([...story]);
        const { made } = await create(cluster);
        expect(cluster.ours.length).toBeLessThanOrEqual(1);
        if (made) expect(cluster.ours).toEqual([made]);
      }),
      { numRuns: 1000 },
    );
  });

  it('knows the name of any pod that it has made, and says that there is none only if there is none', async () => {
    await fc.assert(
      fc.asyncProperty(fates, async (story) => {
        const cluster = new Cluster([...story]);
        const { nothingMade, name } = await create(cluster);
        for (const pod of cluster.ours) expect(pod.metadata?.name).toBe(name);
        if (nothingMade) expect(cluster.ours).toEqual([]);
      }),
      { numRuns: 1000 },
    );
  });

  it('succeeds when fewer tries fail than are allowed, however often it is throttled', async () => {
    const story: Fate[] = [
      'throttled',
      'failed',
      'throttled',
      'throttled',
      'lost',
      'throttled',
      'unreachable',
    ];
    const cluster = new Cluster(story);
    expect((await create(cluster)).made).toBeDefined();
    expect(cluster.ours).toHaveLength(1);
  });

  it('does not try again what is refused', async () => {
    const cluster = new Cluster(['refused', 'ok']);
    const { error, nothingMade } = await create(cluster);
    expect(error).toMatchObject({ status: 403 });
    expect(nothingMade).toBe(true);
    expect(cluster.fates).toEqual(['ok']);
  });

  it('gives up names when ten in a row are taken', async () => {
    // Each time: the creation meets another's pod, and a look at it tells that it is not ours.
    const { error } = await create(
      new Cluster(Array.from({ length: 40 }, (_, i) => (i % 2 ? 'ok' : 'conflict'))),
    );
    expect((error as Error).message).toMatch(/^pods "kubeit-.{5}" already exists$/);
  });
});
