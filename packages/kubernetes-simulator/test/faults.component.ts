import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { refuse, type Simulator, startSimulator } from '../src/index.js';
import { Client, ended, over, pod, podUntil, readAnswer, running, state } from './client.js';

const PODS = '/api/v1/namespaces/default/pods';
let cluster: Simulator;
let client: Client;
beforeEach(async () => {
  cluster = await startSimulator({ pace: { imagePullMs: 10 } });
  client = new Client(cluster.kubeconfig());
});
afterEach(async () => {
  client.close();
  await cluster.close();
});

/** A pod that has written these lines and ended. */
const done = async (text: string): Promise<void> => {
  cluster.settings.script = () =>
    async function* () {
      yield text;
    };
  await client.send('POST', PODS, pod('p', ''));
  await podUntil(client, PODS, 'p', over);
};

const scenario = (name: string) => ({ annotations: { 'kubernetes-simulator/scenario': name } });

const warnings = async (): Promise<string[]> => {
  const { body } = await client.get('/api/v1/namespaces/default/events?fieldSelector=type%3DWarning');
  return body.items.map(({ reason }: { reason: string }) => reason);
};

describe('any request', () => {
  test('is refused so many times, in the words of Kubernetes', async () => {
    cluster.faults.add('get', { refuse: refuse.throttled(7) }, { times: 2 });
    cluster.faults.add('*', [
      { refuse: refuse.internalError() },
      undefined,
      { refuse: refuse.unavailable() },
    ]);
    const first = await client.get(`${PODS}/p`);
    expect(first.status).toBe(429);
    expect(first.headers['retry-after']).toBe('7');
    expect((await client.get(`${PODS}/p`)).body.reason).toBe('TooManyRequests');
    const codes = [];
    for (let i = 0; i < 4; i += 1) codes.push((await client.get(`${PODS}/p`)).status);
    expect(codes).toEqual([500, 404, 503, 404]);
  });

  test('is delayed, is hung up on, or gets no answer', async () => {
    cluster.faults.add('version', [{ delayMs: 30 }, { hangUp: true }, { silent: true }]);
    const before = performance.now();
    expect((await client.get('/version')).status).toBe(200);
    expect(performance.now() - before).toBeGreaterThan(25);
    await expect(client.get('/version')).rejects.toThrow(/hang up|ECONNRESET/);
    const silent = client.get('/version').catch((error: Error) => error);
    await expect.poll(() => cluster.requests.length).toBe(3);
    cluster.faults.clear();
    expect((await client.get('/version')).status).toBe(200);
    cluster.dropConnections();
    expect(await silent).toBeInstanceOf(Error);
  });

  test('is refused a connection while the API has vanished; containers go on, and it comes back', async () => {
    await client.send('POST', PODS, pod('p', 'sleep 0.2; echo done'));
    await podUntil(client, PODS, 'p', running);
    const url = cluster.url;
    await cluster.stopListening();
    await expect(client.get('/version')).rejects.toThrow('ECONNREFUSED');
    await cluster.startListening();
    expect(cluster.url).toBe(url);
    await podUntil(client, PODS, 'p', over);
    expect((await client.get(`${PODS}/p/log`)).text).toBe('done\n');
  });
});

describe('log', () => {
  test('is cut after any byte, also inside of a timestamp', async () => {
    await done('one\n\ntwo\r\nlast');
    const path = `${PODS}/p/log?follow=true&timestamps=true`;
    const whole = (await client.get(path)).text;
    const cuts = [...Array(whole.length + 1).keys()];
    cluster.faults.add(
      'log',
      cuts.map((cutAfter) => ({ cutAfter })),
    );
    for (const cut of cuts) {
      const { text, complete } = await client.get(path);
      expect(text).toBe(whole.slice(0, cut));
      expect(complete).toBe(false);
    }
    expect((await client.get(path)).text).toBe(whole);
  });

  test('ends early as if it were complete, and comes in small pieces', async () => {
    await done('0123456789\n');
    cluster.faults.add('log', [{ cutAfter: 4, cutBy: 'end' }, { pieceBytes: 1 }]);
    expect(await client.get(`${PODS}/p/log`)).toMatchObject({ text: '0123', complete: true });
    expect((await client.get(`${PODS}/p/log`)).text).toBe('0123456789\n');
  });

  test('falls silent', async () => {
    await done('0123456789\n');
    cluster.faults.add('log', { silentAfter: 4 });
    const response = await client.open('GET', `${PODS}/p/log`);
    const answer = readAnswer(response);
    await new Promise((resolve) => response.once('data', resolve));
    const winner = await Promise.race([answer, new Promise((resolve) => setTimeout(resolve, 50, 'silent'))]);
    expect(winner).toBe('silent');
    cluster.dropConnections();
    expect(await answer).toMatchObject({ text: '0123', complete: false });
  });

  test('has equal timestamps when the clock stands still, and CRLF when it is kept', async () => {
    cluster.settings.log = { clock: () => 1_700_000_000_000_000_001n, foldCrlf: false };
    await done('a\r\nb\n');
    expect((await client.get(`${PODS}/p/log?timestamps=true`)).text).toBe(
      '2023-11-14T22:13:20.000000001Z a\r\n2023-11-14T22:13:20.000000001Z b\n',
    );
  });

  test('loses what was rotated away', async () => {
    cluster.settings.log = { maxBytes: 2000, checkMs: 0, keepFiles: 2 };
    await done('a line of text\n'.repeat(1000));
    const { text } = await client.get(`${PODS}/p/log?follow=true`);
    expect(text.length).toBeLessThan(2000);
  });
});

describe('attach', () => {
  const ATTACH = `${PODS}/p/attach?container=worker&stdin=true&stdout=true`;
  const echo = async () => {
    await client.send('POST', PODS, pod('p', 'cat; echo END'));
    await podUntil(client, PODS, 'p', running);
  };

  test.each([
    ['breaks', { cutAfter: 4 }, 1006, ''],
    ['ends short with Success', { cutAfter: 4, cutBy: 'success' as const }, 1000, 'Success'],
    ['ends with Failure', { cutAfter: 4, cutBy: 'failure' as const }, 1000, 'Failure'],
    ['closes without a Status', { cutAfter: 4, cutBy: 'close' as const }, 1000, ''],
  ])('%s after so many bytes of output', async (_what, fault, code, status) => {
    cluster.faults.add('attach', fault);
    await echo();
    const attached = client.attach(ATTACH);
    await attached.opened;
    attached.write('0123456789\n');
    expect(await attached.closed).toBe(code);
    expect(attached.stdout).toBe('0123');
    expect(attached.status).toContain(status);
    expect(attached.status === '').toBe(status === '');
  });

  test('loses its end, although it ends with Success when the container does', async () => {
    cluster.faults.add('attach', { shortAfter: 4 });
    await echo();
    const attached = client.attach(ATTACH);
    await attached.opened;
    attached.write('0123456789\n');
    attached.end();
    expect(await attached.closed).toBe(1000);
    expect(attached.stdout).toBe('0123');
    expect(attached.status).toContain('Success');
    expect((await client.get(`${PODS}/p/log?follow=true`)).text).toBe('0123456789\nEND\n');
  });

  test('breaks while stdin is sent: what was passed on counts, and the rest does not', async () => {
    cluster.faults.add('attach', { cutAfterStdin: 4 });
    await echo();
    const attached = client.attach(ATTACH);
    await attached.opened;
    attached.write('0123456789\n');
    expect(await attached.closed).toBe(1006);
    expect((await client.get(`${PODS}/p/log?follow=true`)).text).toBe('0123END\n');
  });

  test('begins late, and falls silent', async () => {
    cluster.faults.add('attach', [{ beginAfterMs: 100 }, { silentAfter: 0 }]);
    await client.send('POST', PODS, pod('p', 'read x; echo $x; sleep 0.3; echo second'));
    await podUntil(client, PODS, 'p', running);
    const late = client.attach(ATTACH);
    await late.opened;
    late.write('first\n');
    const silent = client.attach(`${PODS}/p/attach?stdout=true`);
    expect(await late.closed).toBe(1000);
    expect(late.stdout).toBe('second\n');
    expect(silent.stdout + silent.status).toBe('');
    silent.socket.terminate();
  });

  test('is refused before it is accepted', async () => {
    cluster.forbid({ resource: 'pods/attach' });
    cluster.faults.add('attach', { refuse: refuse.internalError() }, { times: 1 });
    await echo();
    for (const code of [500, 403]) {
      const attached = client.attach(ATTACH);
      await attached.closed;
      expect(attached.refused?.status).toBe(code);
    }
  });
});

describe('watch', () => {
  test('falls silent, ends, or is gone after so many events', async () => {
    await done('x\n');
    const since = `${PODS}?watch=true&resourceVersion=101&timeoutSeconds=5`;
    cluster.faults.add('watch', [
      { cutAfter: 2 },
      { cutAfter: 1, cutBy: 'reset' },
      { goneAfter: 1 },
      { silentAfter: 1 },
    ]);
    const lines = (text: string) => text.split('\n').filter((line) => line !== '');
    const ended = await client.get(since);
    expect(ended.complete).toBe(true);
    expect(lines(ended.text)).toHaveLength(2);
    expect((await client.get(since)).complete).toBe(false);
    const gone = lines((await client.get(since)).text).map((line) => JSON.parse(line));
    expect(gone.at(-1)).toMatchObject({ type: 'ERROR', object: { code: 410, reason: 'Expired' } });
    const silent = await client.open('GET', since);
    const answer = readAnswer(silent);
    await new Promise((resolve) => silent.once('data', resolve));
    cluster.dropConnections();
    expect(lines((await answer).text)).toHaveLength(1);
  });
});

describe('a pod', () => {
  test('finds no node', async () => {
    await client.send('POST', PODS, pod('p', 'echo hi', scenario('unschedulable')));
    const object = await podUntil(client, PODS, 'p', ({ status }) => status.conditions?.length === 1);
    expect(object.status.conditions[0]).toMatchObject({
      type: 'PodScheduled',
      status: 'False',
      reason: 'Unschedulable',
    });
    expect((await client.get(`${PODS}/p/log`)).status).toBe(204);
    expect(await warnings()).toEqual(['FailedScheduling']);
    cluster.pod('p')?.proceed();
    expect((await podUntil(client, PODS, 'p', over)).status.phase).toBe('Succeeded');
  });

  test('has an image that cannot be pulled', async () => {
    await client.send('POST', PODS, pod('p', 'echo hi', { image: 'nosuch.invalid/foo:1' }));
    const seen: string[] = [];
    await podUntil(client, PODS, 'p', (object) => {
      const reason = state(object).waiting?.reason;
      if (reason && reason !== seen.at(-1)) seen.push(reason);
      return seen.length >= 4;
    });
    expect(
      seen
        .filter((reason) => reason !== 'ContainerCreating')
        .slice(0, 2)
        .sort(),
    ).toEqual(['ErrImagePull', 'ImagePullBackOff']);
    expect((await client.get(`${PODS}/p/log`)).body.message).toBe(
      'container "worker" in pod "p" is waiting to start: trying and failing to pull image',
    );
    expect(await warnings()).toContain('Failed');
    await client.send('DELETE', `${PODS}/p`);
    expect((await client.get(`${PODS}/p`)).status).toBe(404);
  });

  test('is over its quota', async () => {
    expect((await client.send('POST', PODS, pod('p', 'x', scenario('quota-exceeded')))).body).toMatchObject({
      code: 403,
      reason: 'Forbidden',
      message: expect.stringContaining('pods "p" is forbidden: exceeded quota: quota, requested: pods=1'),
    });
  });

  test('waits for a reason', async () => {
    await client.send('POST', PODS, pod('p', 'x', scenario('config-error')));
    await podUntil(
      client,
      PODS,
      'p',
      (object) => state(object).waiting?.reason === 'CreateContainerConfigError',
    );
    expect(await warnings()).toEqual(['Failed']);
  });

  test.each([
    ['is evicted', 'evicted', { reason: 'Error', exitCode: 137 }, 'Evicted'],
    ['is killed for memory', 'oom-killed', { reason: 'OOMKilled', exitCode: 137 }, undefined],
  ])('%s', async (_what, name, terminated, reason) => {
    await client.send('POST', PODS, pod('p', 'sleep 60', scenario(name)));
    const object = await podUntil(client, PODS, 'p', over);
    expect(object.status.phase).toBe('Failed');
    expect(object.status.reason).toBe(reason);
    expect(state(object).terminated).toMatchObject(terminated);
  });

  test('loses its node: it is marked for deletion, freezes, and its streams fall silent', async () => {
    await client.send('POST', PODS, pod('p', 'sleep 0.1; echo hi; sleep 60'));
    await podUntil(client, PODS, 'p', running);
    cluster.pod('p')?.loseNode();
    const { body } = await client.get(`${PODS}/p`);
    expect(body.metadata.deletionTimestamp).toBeDefined();
    expect(body.status).toMatchObject({ reason: 'NodeLost', phase: 'Running' });
    expect((await client.get(`${PODS}/p/log`)).body).toMatchObject({ code: 500 });
    await client.send('DELETE', `${PODS}/p`);
    expect((await client.get(`${PODS}/p`)).status).toBe(200);
    await client.send('DELETE', `${PODS}/p?gracePeriodSeconds=0`);
    expect((await client.get(`${PODS}/p`)).status).toBe(404);
  });

  test('ends so fast that it is never seen running', async () => {
    cluster.settings.pace = { ...cluster.settings.pace, runningSeenMs: 1000 };
    const seen: string[] = [];
    await client.send('POST', PODS, pod('p', 'echo hi'));
    await podUntil(client, PODS, 'p', (object) => {
      seen.push(...Object.keys(state(object)));
      return ended(object);
    });
    expect(seen).not.toContain('running');
  });
});

test('a scripted container sees stdin and signals, and decides its end', async () => {
  cluster.settings.script = () => async (io) => {
    for await (const chunk of io.stdin) await io.stdout(`<${chunk}>`);
    await io.stderr('eof\n');
    await new Promise((resolve) => io.signal.addEventListener('abort', resolve, { once: true }));
    return { exitCode: 9, message: 'asked to' };
  };
  await client.send('POST', PODS, pod('p', ''));
  await podUntil(client, PODS, 'p', running);
  const attached = client.attach(`${PODS}/p/attach?stdin=true&stdout=true&stderr=true`);
  await attached.opened;
  attached.write('in');
  attached.end();
  await attached.until(({ stderr }) => stderr === 'eof\n');
  expect(attached.stdout).toBe('<in>');
  const last = podUntil(client, PODS, 'p', (_object, type) => type === 'DELETED');
  await client.send('DELETE', `${PODS}/p`);
  expect(state(await last).terminated).toMatchObject({ exitCode: 9, message: 'asked to' });
});

test('a scripted log of 64 MiB, cut in the middle, is cut exactly there', async () => {
  const block = `${'x'.repeat(1023)}\n`.repeat(64);
  cluster.settings.script = () =>
    async function* () {
      for (let i = 0; i < 1024; i += 1) yield block;
    };
  await client.send('POST', PODS, pod('p', ''));
  await podUntil(client, PODS, 'p', over);
  cluster.faults.add('log', [{ cutAfter: 40_000_001 }]);
  expect((await client.get(`${PODS}/p/log?follow=true`)).text.length).toBe(40_000_001);
  expect((await client.get(`${PODS}/p/log?follow=true`)).text.length).toBe(64 * 1024 * 1024);
});
