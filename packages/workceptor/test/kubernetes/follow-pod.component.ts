import { refuse, type ScriptResult } from '@receptor/kubernetes-simulator';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { currentAccess, parseKubeconfig } from '../../src/workers/kubernetes/access/kubeconfig.js';
import { createClient, type KubernetesClient } from '../../src/workers/kubernetes/client.js';
import { type FollowOptions, followPod } from '../../src/workers/kubernetes/follow-pod.js';
import { type Pod, podPath } from '../../src/workers/kubernetes/objects.js';
import { useBench } from '../support/kubernetes.js';
import { until } from '../support/node.js';

const bench = useBench({
  script:
    () =>
    ({ signal }) =>
      new Promise<ScriptResult>((resolve) => signal.addEventListener('abort', () => resolve(0))),
});
let api: KubernetesClient;
let pods = 0;

beforeAll(() => {
  api = createClient(currentAccess(parseKubeconfig(bench.cluster.kubeconfig())));
});
afterAll(() => api.close());

/** What a follower tells of a pod. */
interface Story {
  name: string;
  phases: string[];
  troubles: string[];
  gone: boolean;
  refused: string;
  looked: number;
  look(): void;
  stop(): void;
}
let stories: Story[] = [];
beforeEach(() => {
  for (const story of stories) story.stop();
  stories = [];
});

async function follow(options: Partial<FollowOptions> = {}): Promise<Story> {
  const name = `followed-${pods++}`;
  const spec = { containers: [{ name: 'worker', image: 'x' }], terminationGracePeriodSeconds: 0 };
  const { metadata } = await api.json<Pod>({
    method: 'POST',
    path: podPath('default'),
    body: { metadata: { name }, spec },
  });
  const stop = new AbortController();
  const story: Story = {
    name,
    phases: [],
    troubles: [],
    gone: false,
    refused: '',
    looked: 0,
    look: () => follower.look(),
    stop: () => stop.abort(),
  };
  const follower = followPod({
    api,
    namespace: 'default',
    name,
    uid: metadata?.uid ?? '',
    signal: stop.signal,
    onPod(pod) {
      story.looked += 1;
      const phase = pod.status?.phase ?? '';
      if (story.phases.at(-1) !== phase) story.phases.push(phase);
    },
    onGone: () => {
      story.gone = true;
    },
    onTrouble: (text) => void story.troubles.push(text),
    onRefused: (text) => {
      story.refused = text;
    },
    tries: 3,
    firstWaitMs: 10,
    ...options,
  });
  stories.push(story);
  return story;
}

describe('followPod', () => {
  it('tells every change, and that the pod is gone', async () => {
    const story = await follow();
    await until(() => story.phases.includes('Running'));
    await bench.cluster.pod(story.name)?.delete(0);
    await until(() => story.gone);
  });

  it('does not trust a watch that is silent longer than it was to last', async () => {
    bench.cluster.faults.add('watch', { silentAfter: 0 });
    const story = await follow({ watchSeconds: 1, silenceMs: 100 });
    await until(() => story.phases.includes('Running'));
    await bench.cluster.pod(story.name)?.delete(0);
    await until(() => story.gone);
    expect(story.troubles).toEqual([]);
  });

  it('looks at once when it is told to, whatever the watch does', async () => {
    bench.cluster.faults.add('watch', { silentAfter: 0 });
    const story = await follow();
    await until(() => story.looked > 0);
    const before = story.looked;
    story.look();
    await until(() => story.looked > before);
  });

  it('takes another pod of that name for none', async () => {
    const story = await follow();
    await until(() => story.looked > 0);
    await bench.cluster.pod(story.name)?.delete(0);
    const body = { metadata: { name: story.name }, spec: { containers: [{ name: 'worker', image: 'x' }] } };
    await api.json({ method: 'POST', path: podPath('default'), body });
    await until(() => story.gone);
  });

  it('says what the trouble is, once it is more than a hiccup, and when it is over', async () => {
    const story = await follow();
    await until(() => story.phases.includes('Running'));
    bench.cluster.faults.add('list', { refuse: refuse.unavailable() }, { times: 3 });
    story.look();
    await until(() => story.troubles.at(-1) === '');
    expect(story.troubles[0]).toBe('the Kubernetes API: apiserver not ready');
    expect(story.refused).toBe('');
  });

  it('bears refusals as often as it is told', async () => {
    bench.cluster.faults.add('list', { refuse: refuse.with(401, 'Unauthorized', 'Unauthorized') });
    const story = await follow();
    await until(() => story.refused !== '');
    expect(story.refused).toMatch(/^Unauthorized: the credentials are not accepted/);
  });

  it('is not put off by a line that is no JSON', async () => {
    const story = await follow();
    await until(() => story.phases.includes('Running'));
    bench.cluster.faults.add('watch', { refuse: refuse.with(200, '', 'not an event') }, { times: 2 });
    bench.cluster.dropConnections();
    await bench.cluster.pod(story.name)?.delete(0);
    await until(() => story.gone);
  });

  it('leaves no connection and no timer behind when it is stopped', async () => {
    const lasting = () =>
      process.getActiveResourcesInfo().filter((kind) => /^(TLSWrap|TCPSocketWrap|Timeout)$/.test(kind))
        .length;
    const own = createClient(currentAccess(parseKubeconfig(bench.cluster.kubeconfig())));
    const before = lasting();
    const story = await follow({ api: own });
    await until(() => story.phases.includes('Running'));
    story.stop();
    own.close();
    await until(() => lasting() <= before);
  });
});
