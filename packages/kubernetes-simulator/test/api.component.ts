import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Simulator, startSimulator } from '../src/index.js';
import { Client, ended, over, pod, podUntil, readAnswer, running, state } from './client.js';

const PODS = '/api/v1/namespaces/default/pods';
let cluster: Simulator;
let client: Client;
beforeEach(async () => {
  cluster = await startSimulator();
  client = new Client(cluster.kubeconfig());
});
afterEach(async () => {
  client.close();
  await cluster.close();
});

describe('create', () => {
  test('gives name, UID, resourceVersion and defaults', async () => {
    const body = pod('x', 'exit 0');
    const { status, body: created } = await client.send('POST', PODS, {
      ...body,
      metadata: { generateName: 'job-' },
    });
    expect(status).toBe(201);
    expect(created.metadata.name).toMatch(/^job-[a-z0-9]{5}$/);
    expect(created.metadata).toMatchObject({
      namespace: 'default',
      uid: expect.stringMatching(/^[0-9a-f-]{36}$/),
    });
    expect(Number(created.metadata.resourceVersion)).toBeGreaterThan(0);
    expect(created.spec.terminationGracePeriodSeconds).toBe(30);
    expect(created.status.phase).toBe('Pending');
  });

  test.each([
    ['broken JSON', '{"apiVersion":', 400, "couldn't get version/kind"],
    ['an array', '[]', 400, 'cannot unmarshal array'],
    ['another kind', { kind: 'ConfigMap', apiVersion: 'v1' }, 400, 'cannot be handled as a Pod'],
    ['another namespace', { metadata: { name: 'a', namespace: 'b' } }, 400, 'does not match the namespace'],
    [
      'no name',
      { spec: { containers: [{ name: 'w', image: 'i' }] } },
      422,
      'name or generateName is required',
    ],
    ['no containers', { metadata: { name: 'a' } }, 422, 'spec.containers: Required value'],
    ['a bad name', pod('A_b', 'x'), 422, 'a lowercase RFC 1123 subdomain'],
    [
      'containers of another type',
      { metadata: { name: 'a' }, spec: { containers: 'x' } },
      400,
      'of type []v1.Container',
    ],
    [
      'an unknown scenario',
      pod('a', 'x', { annotations: { 'kubernetes-simulator/scenario': 'no' } }),
      400,
      'neither JSON nor',
    ],
  ])('refuses %s', async (_what, body, code, text) => {
    const answer = await client.send('POST', PODS, body);
    expect(answer.status).toBe(code);
    expect(answer.body).toMatchObject({ kind: 'Status', status: 'Failure', code });
    expect(answer.body.message).toContain(text);
  });

  test('refuses a name that is taken, and a namespace that is not there', async () => {
    await client.send('POST', PODS, pod('twice', 'sleep 9'));
    expect((await client.send('POST', PODS, pod('twice', 'x'))).body).toMatchObject({
      reason: 'AlreadyExists',
      message: 'pods "twice" already exists',
      code: 409,
    });
    expect((await client.send('POST', '/api/v1/namespaces/none/pods', pod('a', 'x'))).body.message).toBe(
      'namespaces "none" not found',
    );
  });
});

describe('the life of a container', () => {
  test('goes from Pending to Succeeded, with conditions and events', async () => {
    const seen: string[] = [];
    await client.send('POST', PODS, pod('life', 'cat', { stdin: false }));
    await podUntil(client, PODS, 'life', (object) => {
      seen.push(object.status.phase);
      return over(object);
    });
    const { body } = await client.get(`${PODS}/life`);
    expect(body.status.phase).toBe('Succeeded');
    expect(state(body).terminated).toMatchObject({ exitCode: 0, reason: 'Completed' });
    const ready = body.status.conditions.find(({ type }: { type: string }) => type === 'Ready');
    expect(ready).toMatchObject({ status: 'False', reason: 'PodCompleted' });
    const events = await client.get(
      '/api/v1/namespaces/default/events?fieldSelector=involvedObject.name%3Dlife',
    );
    const reasons = events.body.items.map(({ reason }: { reason: string }) => reason);
    expect(reasons).toEqual(['Scheduled', 'Pulled', 'Created', 'Started']);
  });

  test.each([
    ['an exit code', 'exit 7', { exitCode: 7, reason: 'Error' }],
    ['a signal', 'kill -KILL $$$$', { exitCode: 137, reason: 'Error' }],
    ['a termination message', 'printf why > /dev/termination-log; exit 1', { exitCode: 1, message: 'why' }],
  ])('tells %s', async (_what, command, expected) => {
    await client.send('POST', PODS, pod('end', command));
    const last = await podUntil(client, PODS, 'end', over);
    expect(last.status.phase).toBe('Failed');
    expect(state(last).terminated).toMatchObject(expected);
    expect(existsSync('/dev/termination-log')).toBe(false);
  });

  test('tells of a command that is not there', async () => {
    await client.send('POST', PODS, pod('none', ['nosuchcommand', 'a']));
    const last = await podUntil(client, PODS, 'none', ended);
    expect(state(last).terminated).toMatchObject({
      exitCode: 128,
      reason: 'StartError',
      startedAt: '1970-01-01T00:00:00Z',
      message: expect.stringContaining('exec: "nosuchcommand": executable file not found in $PATH'),
    });
  });

  test('tells of a command that the system cannot even try', async () => {
    await client.send('POST', PODS, pod('nul', ['echo', 'a\0b']));
    const last = await podUntil(client, PODS, 'nul', over);
    expect(state(last).terminated).toMatchObject({ exitCode: 128, reason: 'StartError' });
  });

  test('has the variables of its pod and none of ours', async () => {
    const env = [
      { name: 'A', value: '1' },
      { name: 'B', value: '$(A)$(NOPE)$$(A)' },
    ];
    await client.send('POST', PODS, pod('env', ['sh', '-c', 'echo "$HOSTNAME $B" $0; env', '$(A)'], { env }));
    await podUntil(client, PODS, 'env', over);
    const { text } = await client.get(`${PODS}/env/log`);
    expect(text.split('\n')[0]).toBe('env 1$(NOPE)$(A) 1');
    expect(text).not.toContain('VITEST');
  });

  test('runs init containers first, and stops at one that fails', async () => {
    const body = pod('init', 'echo never');
    const initContainers = [{ name: 'i', image: 'busybox', command: ['sh', '-c', 'echo init; exit 4'] }];
    await client.send('POST', PODS, { ...body, spec: { ...body.spec, initContainers } });
    const last = await podUntil(client, PODS, 'init', over);
    expect(last.status.phase).toBe('Failed');
    expect(state(last).waiting.reason).toBe('PodInitializing');
    expect((await client.get(`${PODS}/init/log?container=i`)).text).toBe('init\n');
    expect((await client.get(`${PODS}/init/log`)).body.message).toBe(
      'a container name must be specified for pod init, choose one of: [worker] or one of the init containers: [i]',
    );
  });
});

describe('list and watch', () => {
  test('select by field and label, and give pages', async () => {
    for (const name of ['a', 'b', 'c'])
      await client.send('POST', PODS, pod(name, 'sleep 9', { labels: { n: name } }));
    const names = async (query: string) =>
      (await client.get(`${PODS}?${query}`)).body.items.map(
        (each: { metadata: { name: string } }) => each.metadata.name,
      );
    expect(await names('fieldSelector=metadata.name%3Db&resourceVersion=0&limit=500')).toEqual(['b']);
    expect(await names('labelSelector=n%20in%20(a,c)')).toEqual(['a', 'c']);
    expect(await names('labelSelector=n!%3Da')).toEqual(['b', 'c']);
    const first = await client.get(`${PODS}?limit=2`);
    expect(first.body.metadata.remainingItemCount).toBe(1);
    expect(await names(`limit=2&continue=${first.body.metadata.continue}`)).toEqual(['c']);
    expect((await client.get(`${PODS}?fieldSelector=foo%3Dbar`)).body.message).toBe(
      'field label not supported: foo',
    );
  });

  test('goes on from a resourceVersion, with bookmarks, until its time is over', async () => {
    const before = (await client.get(PODS)).body.metadata.resourceVersion;
    await client.send('POST', PODS, pod('w', 'exit 0'));
    await podUntil(client, PODS, 'w', over);
    const { text, complete } = await client.get(`${PODS}?watch=1&resourceVersion=${before}&timeoutSeconds=1`);
    const events = text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(events[0]).toMatchObject({ type: 'ADDED', object: { kind: 'Pod', metadata: { name: 'w' } } });
    expect(events.at(-1).object.status.phase).toBe('Succeeded');
    const versions = events.map(({ object }) => Number(object.metadata.resourceVersion));
    expect(versions).toEqual([...versions].sort((a, b) => a - b));
    expect(complete).toBe(true);
  });

  test('tells 410 for a resourceVersion that is forgotten', async () => {
    await client.send('POST', PODS, pod('old', 'exit 0'));
    await podUntil(client, PODS, 'old', over);
    cluster.compact();
    const { text } = await client.get(`${PODS}?watch=true&resourceVersion=5`);
    expect(JSON.parse(text)).toMatchObject({ type: 'ERROR', object: { code: 410, reason: 'Expired' } });
  });
});

describe('delete', () => {
  test('asks the container to end, then removes the pod', async () => {
    await client.send(
      'POST',
      PODS,
      pod('polite', 'trap "exit 5" TERM; echo up; while :; do sleep 0.05; done'),
    );
    await podUntil(client, PODS, 'polite', running);
    const follow = await client.open('GET', `${PODS}/polite/log?follow=true`);
    await new Promise((resolve) => follow.once('data', resolve));
    follow.resume();
    const seen = podUntil(client, PODS, 'polite', (_object, type) => type === 'DELETED');
    const { body } = await client.send('DELETE', `${PODS}/polite`, {
      kind: 'DeleteOptions',
      apiVersion: 'v1',
    });
    expect(body.metadata).toMatchObject({
      deletionGracePeriodSeconds: 30,
      deletionTimestamp: expect.any(String),
    });
    expect(state(await seen).terminated.exitCode).toBe(5);
    expect((await client.get(`${PODS}/polite`)).status).toBe(404);
  });

  test('kills a container that does not end in time', async () => {
    await client.send(
      'POST',
      PODS,
      pod('stubborn', 'trap : TERM; echo up; while :; do sleep 0.05; done', { grace: 1 }),
    );
    await podUntil(client, PODS, 'stubborn', running);
    const seen = podUntil(client, PODS, 'stubborn', (_object, type) => type === 'DELETED');
    await client.send('DELETE', `${PODS}/stubborn`);
    expect(state(await seen).terminated.exitCode).toBe(137);
  });

  test('refuses another UID, and removes at once without a grace period', async () => {
    await client.send('POST', PODS, pod('uid', 'sleep 60'));
    const wrong = await client.send('DELETE', `${PODS}/uid`, { preconditions: { uid: 'bad' } });
    expect(wrong.body).toMatchObject({ code: 409, reason: 'Conflict' });
    await client.send('DELETE', `${PODS}/uid?gracePeriodSeconds=0`);
    expect((await client.get(`${PODS}/uid`)).status).toBe(404);
  });
});

describe('log', () => {
  test('follows to the end, with timestamps', async () => {
    await client.send('POST', PODS, pod('tick', 'for i in 1 2 3; do echo $i; sleep 0.05; done; printf x'));
    await podUntil(client, PODS, 'tick', running);
    const { text } = await client.get(`${PODS}/tick/log?follow=true&timestamps=true`);
    const stamp = String.raw`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z`;
    expect(text).toMatch(new RegExp(`^${stamp} 1\n${stamp} 2\n${stamp} 3\n${stamp} x$`));
  });

  test.each([
    ['sinceTime=foo', 400],
    ['tailLines=x', 400],
    ['tailLines=-1', 422],
    ['limitBytes=0', 422],
    ['sinceSeconds=0', 422],
    ['container=nope', 400],
    ['previous=true', 400],
  ])('refuses %s', async (query, code) => {
    await client.send('POST', PODS, pod('done', 'exit 0'));
    await podUntil(client, PODS, 'done', over);
    expect((await client.get(`${PODS}/done/log?${query}`)).status).toBe(code);
  });
});

describe('attach', () => {
  const ATTACH = `${PODS}/a/attach?container=worker`;

  test('passes stdin and both outputs, and ends with Success', async () => {
    await client.send('POST', PODS, pod('a', 'cat; echo END; echo err >&2'));
    await podUntil(client, PODS, 'a', running);
    const attached = client.attach(`${ATTACH}&stdin=true&stdout=true&stderr=true`);
    await attached.opened;
    attached.write('hello\r\nx');
    await attached.until(({ stdout }) => stdout === 'hello\r\nx');
    attached.end();
    expect(await attached.closed).toBe(1000);
    expect(attached.frames[0]).toEqual([1, 0]);
    expect(attached.stdout).toBe('hello\r\nxEND\n');
    expect(attached.stderr).toBe('err\n');
    expect(attached.status).toBe('{"metadata":{},"status":"Success"}');
    expect((await client.get(`${PODS}/a/log`)).text).toContain('hello\nxEND\n');
  });

  test('ends stdin when the connection that had it drops, for that is what stdinOnce means', async () => {
    await client.send('POST', PODS, pod('a', 'cat; echo END'));
    await podUntil(client, PODS, 'a', running);
    const other = client.attach(`${ATTACH}&stdout=true`, ['v4.channel.k8s.io']);
    await other.opened;
    const attached = client.attach(`${ATTACH}&stdin=true`);
    await attached.opened;
    attached.write('hello\n');
    await other.until(({ stdout }) => stdout === 'hello\n');
    attached.socket.terminate();
    await other.closed;
    expect(other.stdout).toBe('hello\nEND\n');
  });

  test('never ends stdin without stdinOnce', async () => {
    await client.send('POST', PODS, pod('a', 'cat; echo END', { stdinOnce: false }));
    await podUntil(client, PODS, 'a', running);
    const attached = client.attach(`${ATTACH}&stdin=true`);
    await attached.opened;
    attached.end();
    await attached.closed;
    const again = client.attach(`${ATTACH}&stdin=true&stdout=true`);
    await again.opened;
    again.write('still open\n');
    await again.until(({ stdout }) => stdout === 'still open\n');
  });

  test('with stdin alone is over at the half-close, though the container goes on', async () => {
    await client.send('POST', PODS, pod('a', 'cat > /dev/null; sleep 60'));
    await podUntil(client, PODS, 'a', running);
    const attached = client.attach(`${ATTACH}&stdin=true`);
    await attached.opened;
    attached.write('x');
    attached.end();
    expect(await attached.closed).toBe(1000);
    expect(attached.frames[0]).toEqual([3, 0]);
    expect(attached.status).toContain('Success');
    expect(running((await client.get(`${PODS}/a`)).body)).toBe(true);
  });

  test('is accepted before the container runs, and says on channel 3 that there is none', async () => {
    cluster.settings.scenario = () => ({ waiting: { reason: 'CreateContainerConfigError' } });
    await client.send('POST', PODS, pod('a', 'cat'));
    await podUntil(
      client,
      PODS,
      'a',
      (object) => state(object).waiting?.reason === 'CreateContainerConfigError',
    );
    const attached = client.attach(`${ATTACH}&stdin=true&stdout=true`);
    expect(await attached.closed).toBe(1000);
    expect(JSON.parse(attached.status)).toMatchObject({
      status: 'Failure',
      code: 500,
      message: expect.stringContaining('container worker not found in pod a_default'),
    });
    const older = client.attach(`${ATTACH}&stdout=true`, ['v4.channel.k8s.io']);
    await older.closed;
    expect(older.refused).toEqual({ status: 500, text: 'container worker not found in pod a_default' });
  });

  test.each([
    ['a pod that is not there', `${PODS}/no/attach?stdin=true`, 404],
    ['a container that is not there', `${PODS}/a/attach?container=no&stdin=true`, 400],
  ])('refuses %s before it is accepted', async (_what, path, code) => {
    await client.send('POST', PODS, pod('a', 'sleep 9'));
    const attached = client.attach(path);
    await attached.closed;
    expect(attached.refused?.status).toBe(code);
    expect((await client.get(`${ATTACH}&stdout=true`)).body.message).toBe('Upgrade request required');
  });

  test('a client that does not read makes the container wait', async () => {
    let written = 0;
    cluster.settings.script = () => async (io) => {
      for (; written < 1024; written += 1) await io.stdout(Buffer.alloc(64 * 1024));
    };
    let begin = () => {};
    const begun = new Promise<void>((resolve) => {
      begin = resolve;
    });
    const inner = cluster.settings.script;
    cluster.settings.script =
      (...about) =>
      async (io) => {
        await begun;
        await inner(...about)?.(io);
      };
    await client.send('POST', PODS, pod('a', ''));
    await podUntil(client, PODS, 'a', running);
    const attached = client.attach(`${ATTACH}&stdout=true`);
    await attached.opened;
    attached.socket.pause();
    begin();
    // It comes to a stop well before the 64 MiB, and goes on when the client reads again.
    let before = -1;
    while (before !== written) {
      before = written;
      await new Promise((resolve) => setTimeout(resolve, 150));
    }
    expect(written).toBeLessThan(512);
    attached.socket.resume();
    await attached.closed;
    expect(attached.stdout.length).toBe(64 * 1024 * 1024);
  });
});

describe('access', () => {
  test('knows its users, refuses others, and forbids in the words of RBAC', async () => {
    const tester = new Client(cluster.kubeconfig({ auth: 'token' }));
    const nobody = new Client(cluster.kubeconfig({ auth: 'none' }));
    expect((await tester.get(PODS)).status).toBe(200);
    expect((await nobody.get('/version')).body.gitVersion).toBe('v1.34.4');
    expect((await nobody.get(PODS)).body.message).toBe(
      'pods is forbidden: User "system:anonymous" cannot list resource "pods" in API group "" in the namespace "default"',
    );
    cluster.forbid({ resource: 'pods/log', user: 'system:serviceaccount:default:tester' });
    expect((await tester.get(`${PODS}/foo/log`)).body).toMatchObject({
      code: 403,
      message:
        'pods "foo" is forbidden: User "system:serviceaccount:default:tester" cannot get resource "pods/log" in API group "" in the namespace "default"',
      details: { name: 'foo', kind: 'pods' },
    });
    expect((await client.get(`${PODS}/foo/log`)).status).toBe(404);
    cluster.expireToken();
    expect((await tester.get(PODS)).body).toMatchObject({ code: 401, message: 'Unauthorized' });
    cluster.refuseCertificates();
    expect((await client.get(PODS)).status).toBe(401);
    tester.close();
    nobody.close();
  });

  test('writes kubeconfigs that name files, and such that trust the wrong authority', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'kubeconfig-'));
    const text = cluster.kubeconfig({ directory });
    expect(text).toContain(`client-certificate: ${directory}/client.crt`);
    const byPath = new Client(text);
    expect((await byPath.get(PODS)).status).toBe(200);
    byPath.close();
    rmSync(directory, { recursive: true });
    const wrong = new Client(cluster.kubeconfig({ wrongAuthority: true }));
    await expect(wrong.get(PODS)).rejects.toThrow(/certificate/);
    wrong.close();
  });
});

test('records requests', async () => {
  await client.get(`${PODS}/foo?a=b`);
  expect(cluster.requests).toMatchObject([
    {
      operation: 'get',
      method: 'GET',
      path: `${PODS}/foo`,
      query: { a: 'b' },
      name: 'foo',
      user: 'admin',
      status: 404,
    },
  ]);
});

test('closing ends processes and streams, and removes its files', async () => {
  const mark = `simulated-${process.pid}-${Date.now()}`;
  await client.send('POST', PODS, pod('long', ['sh', '-c', `sleep 300 & sleep 300 # ${mark}`]));
  await podUntil(client, PODS, 'long', running);
  const follow = await client.open('GET', `${PODS}/long/log?follow=true`);
  const answer = readAnswer(follow);
  await cluster.close();
  expect((await answer).complete).toBe(false);
  expect(spawnSync('pgrep', ['-f', mark]).stdout.toString()).toBe('');
});
