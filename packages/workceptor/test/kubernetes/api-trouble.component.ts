import { refuse } from '@receptor/kubernetes-simulator';
import { afterEach, describe, expect, it } from 'vitest';
import { asked, detailed, extraOf, podOf, useBench } from '../support/kubernetes.js';
import { completed, output, running, until } from '../support/node.js';

const bench = useBench();
const FAST = { env: { RECEPTOR_KUBE_TIMEOUT_START: '20ms' } };

afterEach(() => bench.cluster.startListening());

/** The pods of units. */
const podsOf = (ids: string[]) =>
  bench.cluster.pods().filter(({ metadata }) => ids.includes(metadata.labels?.['receptor/unit'] ?? ''));

/** A pod that writes, waits until it may go on, and writes again; what lets it go on. */
function gated() {
  let open: () => void = () => {};
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  bench.cluster.settings.script = () =>
    async function* () {
      yield 'before\n';
      await gate;
      yield 'after\n';
      return 0;
    };
  return {
    open: () => {
      open();
      bench.cluster.settings.script = () => undefined;
    },
  };
}

describe('while a pod runs, the API', () => {
  it('is gone: the unit says so, and goes on when it is back', async () => {
    const gate = gated();
    const node = await bench.open(FAST);
    const id = await bench.submit(node, { secret_kube_pod: podOf('') });
    await running(node, id);
    await bench.cluster.stopListening();
    const { StateName, Detail } = await detailed(node, id, /connection refused/);
    expect(StateName).toBe('Running');
    expect(Detail).toMatch(/^Pod Running; the Kubernetes API: Get "https:.*connect: connection refused$/);
    gate.open();
    await bench.cluster.startListening();
    expect(await completed(node, id)).toMatchObject({ StateName: 'Succeeded', Detail: 'Finished' });
    expect(await output(node, id)).toBe('before\nafter\n');
  });

  it('is gone while the worker ends: its end and its last words are not lost', async () => {
    const gate = gated();
    const node = await bench.open(FAST);
    const id = await bench.submit(node, { secret_kube_pod: podOf('') });
    await running(node, id);
    await bench.cluster.stopListening();
    gate.open();
    const pod = bench.cluster.pod((await extraOf(node, id)).PodName);
    await until(() => pod?.pod?.status.phase === 'Succeeded');
    await bench.cluster.startListening();
    expect(await completed(node, id)).toMatchObject({ StateName: 'Succeeded', Detail: 'Finished' });
    expect(await output(node, id)).toBe('before\nafter\n');
  });

  it('breaks all connections again and again: nothing is lost or repeated', async () => {
    bench.cluster.settings.script = () =>
      async function* () {
        for (let i = 0; i < 200; i++) {
          yield `line ${i}\n`;
          await new Promise((resolve) => setTimeout(resolve, 10));
        }
        return 0;
      };
    const node = await bench.open(FAST);
    const id = await bench.submit(node, { secret_kube_pod: podOf('') });
    await running(node, id);
    bench.cluster.settings.script = () => undefined;
    const breaking = setInterval(() => bench.cluster.dropConnections(), 150);
    try {
      expect(await completed(node, id)).toMatchObject({ Detail: 'Finished' });
    } finally {
      clearInterval(breaking);
    }
    expect(await output(node, id)).toBe(Array.from({ length: 200 }, (_, i) => `line ${i}\n`).join(''));
  });

  it.each([
    ['answers with errors of its own', refuse.internalError()],
    ['is starting', refuse.unavailable()],
    ['throttles', refuse.throttled(0)],
  ])('%s: the unit waits until it does not', async (_, refusal) => {
    bench.cluster.faults.add('*', { refuse: refusal }, { times: 12 });
    const node = await bench.open({ env: { ...FAST.env, RECEPTOR_KUBE_RETRY_COUNT: '20' } });
    const id = await bench.submit(node, { secret_kube_pod: podOf('echo ok') });
    expect(await completed(node, id)).toMatchObject({ StateName: 'Succeeded' });
    expect(await output(node, id)).toBe('ok\n');
    expect(podsOf([id])).toHaveLength(1);
  });

  it('refuses for good to say anything: the unit fails with the reason', async () => {
    const gate = gated();
    const node = await bench.open(FAST);
    const id = await bench.submit(node, { secret_kube_pod: podOf('') });
    await running(node, id);
    const allow = ['list', 'watch', 'get'].map((verb) => bench.cluster.forbid({ verb, resource: 'pods' }));
    bench.cluster.dropConnections();
    const { StateName, Detail } = await completed(node, id);
    for (const undo of allow) undo();
    gate.open();
    expect(StateName).toBe('Failed');
    expect(Detail).toMatch(
      /^Error getting pod default\/test-.{5}\. Error: pods "test-.{5}" is forbidden: User "admin" cannot get resource/,
    );
  });
});

describe('the creation of a pod', () => {
  it.each([
    ['was not answered', { hangUp: true }],
    ['was answered with an error', { refuse: refuse.internalError() }],
  ])('that %s is tried again: there is one pod in the end', async (_, fault) => {
    bench.cluster.faults.add('create', fault, { times: 3 });
    const node = await bench.open(FAST);
    const id = await bench.submit(node, { secret_kube_pod: podOf('echo once') });
    await completed(node, id);
    expect(await output(node, id)).toBe('once\n');
    expect(podsOf([id])).toHaveLength(1);
  });

  it('fails after RECEPTOR_KUBE_RETRY_COUNT tries, with the first error', async () => {
    bench.cluster.faults.add('create', { refuse: refuse.internalError() });
    const before = asked(bench.cluster, 'create');
    const node = await bench.open({ env: { ...FAST.env, RECEPTOR_KUBE_RETRY_COUNT: '3' } });
    const id = await bench.submit(node, { secret_kube_pod: podOf('true') });
    expect(await completed(node, id)).toMatchObject({
      StateName: 'Failed',
      Detail: 'Error creating pod: Internal error occurred: etcdserver: request timed out',
    });
    expect(asked(bench.cluster, 'create') - before).toBe(3);
  });

  it('says meanwhile why it is tried again', async () => {
    bench.cluster.faults.add('create', { refuse: refuse.unavailable() });
    const node = await bench.open({ env: { RECEPTOR_KUBE_TIMEOUT_START: '60s' } });
    const id = await bench.submit(node, { secret_kube_pod: podOf('true') });
    await detailed(node, id, 'Connecting to Kubernetes; will try again: apiserver not ready');
    await node.cancel(id);
    expect(await node.status(id)).toMatchObject({ StateName: 'Canceled' });
  });

  it('ends with pod_pending_timeout, and says what kept it', async () => {
    bench.cluster.faults.add('create', { refuse: refuse.throttled(1) });
    const node = await bench.open(FAST);
    const id = await bench.submit(node, { secret_kube_pod: podOf('true'), pod_pending_timeout: '300ms' });
    expect((await completed(node, id)).Detail).toBe(
      'Error creating pod: timed out waiting for the condition: Too many requests, please try again later.',
    );
  });
});

describe('a watch', () => {
  const runs = async (act?: () => void) => {
    const gate = gated();
    const node = await bench.open(FAST);
    const id = await bench.submit(node, { secret_kube_pod: podOf('') });
    await running(node, id);
    act?.();
    gate.open();
    expect(await completed(node, id)).toMatchObject({ StateName: 'Succeeded', Detail: 'Finished' });
    expect(await output(node, id)).toBe('before\nafter\n');
  };

  it('that is told 410 Gone in its stream begins anew', async () => {
    bench.cluster.faults.add('watch', { goneAfter: 0 }, { times: 3 });
    await runs();
  });

  it('that is refused with 410 Gone begins anew', async () => {
    bench.cluster.faults.add(
      'watch',
      { refuse: refuse.with(410, 'Expired', 'too old resource version') },
      { times: 3 },
    );
    await runs();
  });

  it('whose past was forgotten begins anew', async () => {
    await runs(() => {
      bench.cluster.compact();
      bench.cluster.dropConnections();
    });
  });

  it('that ends after each event is opened again', async () => {
    bench.cluster.faults.add('watch', { cutAfter: 1 });
    await runs();
  });

  it('that ends at once, always, is not opened in a busy loop', async () => {
    bench.cluster.faults.add('watch', { cutAfter: 0 });
    const gate = gated();
    const node = await bench.open(FAST);
    const id = await bench.submit(node, { secret_kube_pod: podOf('') });
    await running(node, id);
    const before = asked(bench.cluster, 'watch');
    await new Promise((resolve) => setTimeout(resolve, 1000));
    expect(asked(bench.cluster, 'watch') - before).toBeLessThan(15);
    gate.open();
    await completed(node, id);
    expect(await output(node, id)).toBe('before\nafter\n');
  });

  it('that is broken again and again is opened again', async () => {
    bench.cluster.faults.add('watch', { cutAfter: 1, cutBy: 'reset' });
    await runs();
  });

  it('that is forbidden is replaced by looking', async () => {
    const allow = bench.cluster.forbid({ verb: 'watch', resource: 'pods' });
    await runs();
    allow();
  });

  it('and a list that are forbidden are replaced by looking', async () => {
    const allow = ['watch', 'list'].map((verb) => bench.cluster.forbid({ verb, resource: 'pods' }));
    await runs();
    for (const undo of allow) undo();
  });
});

it('events that may not be read are done without', async () => {
  const allow = bench.cluster.forbid({ resource: 'events' });
  const node = await bench.open(FAST);
  const pod = podOf('true', { annotations: { 'kubernetes-simulator/scenario': 'unschedulable' } });
  const id = await bench.submit(node, { secret_kube_pod: pod });
  await detailed(node, id, /Unschedulable/);
  await until(() =>
    bench.cluster.requests.some(({ operation, status }) => operation === 'events' && status === 403),
  );
  bench.cluster.pod((await extraOf(node, id)).PodName)?.proceed();
  expect(await completed(node, id)).toMatchObject({ StateName: 'Succeeded' });
  allow();
});

it('the last warning of a pod that waits for no visible reason is told', async () => {
  const node = await bench.open(FAST);
  const waits = { waiting: { reason: 'ContainerCreating' } };
  const pod = podOf('true', { annotations: { 'kubernetes-simulator/scenario': JSON.stringify(waits) } });
  const id = await bench.submit(node, { secret_kube_pod: pod });
  await detailed(node, id, /^Pod created/);
  const name = await until(async () => (await extraOf(node, id)).PodName);
  bench.cluster
    .pod(name)
    ?.event({ type: 'Warning', reason: 'FailedMount', message: 'volume "data" is missing' });
  await detailed(node, id, /FailedMount: volume "data" is missing/);
  await node.cancel(id);
});

it('a unit can be let go of at any moment', async () => {
  const node = await bench.open(FAST);
  const ids: string[] = [];
  for (let round = 0; round < 25; round++) {
    const id = await bench.submit(
      node,
      { secret_kube_pod: podOf('cat; sleep 600', {}, { terminationGracePeriodSeconds: 0 }) },
      round % 2 ? 'payload' : '',
    );
    ids.push(id);
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 120));
    if (round % 3 === 0) await node.cancel(id);
    await node.release(id);
  }
  await until(() => podsOf(ids).every(({ metadata }) => metadata.deletionTimestamp));
});
