import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Simulator, startSimulator } from '../src/index.js';
import { Client, ended, over, pod, podUntil, running, state } from './client.js';

const real = process.env.KUBECONFIG;
const NAMESPACE = `simulator-comparison-${process.pid}`;
const PODS = `/api/v1/namespaces/${NAMESPACE}/pods`;
/** For a pod that outlives its test: it is soon gone with the namespace. */
const BRIEF = { grace: 1 };

/** Runs the same checks against the simulator and, where one is given, against a real cluster. */
describe.each([
  ['the simulator', undefined],
  ...(real === undefined ? [] : [['the real cluster', real] as [string, string]]),
])('on %s', (_where, file) => {
  let cluster: Simulator | undefined;
  let client: Client;

  beforeAll(async () => {
    cluster = file === undefined ? await startSimulator() : undefined;
    client = new Client(cluster?.kubeconfig() ?? readFileSync(file ?? '', 'utf8'));
    const created = await client.send('POST', '/api/v1/namespaces', {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: NAMESPACE },
    });
    expect(created.status).toBe(201);
    // A real cluster gives a new namespace its service account a little later.
    while ((await client.send('POST', PODS, pod('ready', 'exit 0'))).status !== 201) await sleep(100);
  });
  afterAll(async () => {
    await client.send('DELETE', `/api/v1/namespaces/${NAMESPACE}`);
    client.close();
    await cluster?.close();
  });

  const run = async (name: string, command: string[] | string, more = {}) => {
    expect((await client.send('POST', PODS, pod(name, command, more))).status).toBe(201);
    return podUntil(client, PODS, name, ended);
  };
  const log = async (name: string, query = '') => (await client.get(`${PODS}/${name}/log?${query}`)).text;

  test('a log has LF for CRLF, keeps empty lines, other CRs, long lines and a last line without newline', async () => {
    await run(
      'lines',
      String.raw`printf 'a\r\nb\n\n\nc\rd\n'; head -c 40000 /dev/zero | tr '\0' q; echo; printf 'last\r'`,
    );
    const expected = `a\nb\n\n\nc\rd\n${'q'.repeat(40_000)}\nlast\r`;
    expect(await log('lines')).toBe(expected);
    const stamped = await log('lines', 'timestamps=true&sinceTime=');
    expect(stamped.match(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z /g)).toHaveLength(7);
    expect(stamped.replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z /g, '')).toBe(expected);
    expect(await log('lines', 'tailLines=2')).toBe(`${'q'.repeat(40_000 - 2 * 16_384)}\nlast\r`);
    expect(await log('lines', 'tailLines=0')).toBe('');
    expect(await log('lines', 'limitBytes=3')).toBe('a\nb');
  });

  test('refusals', async () => {
    await run('refusals', 'exit 0');
    const messages = [];
    for (const [method, path, body] of [
      ['GET', `${PODS}/none`],
      ['GET', `${PODS}/none/log`],
      ['GET', `${PODS}/refusals/log?container=none`],
      ['GET', `${PODS}/refusals/log?tailLines=-1`],
      ['GET', `${PODS}/refusals/log?limitBytes=0`],
      ['GET', `${PODS}/refusals/log?sinceTime=foo`],
      ['GET', `${PODS}/refusals/log?sinceSeconds=1&sinceTime=2020-01-01T00:00:00Z`],
      ['GET', `${PODS}/refusals/attach?container=worker&stdout=true`],
      ['GET', `${PODS}?fieldSelector=foo%3Dbar`],
      ['GET', `${PODS}?watch=true&resourceVersion=foo`],
      ['GET', '/api/v1/foo'],
      ['POST', '/api/v1/namespaces/nonesuch/pods', pod('a', 'x')],
      ['POST', PODS, pod('refusals', 'x')],
      ['POST', PODS, pod('A_b', 'x')],
      ['POST', PODS, { kind: 'Pod' }],
      ['POST', PODS, { kind: 'ConfigMap', apiVersion: 'v1', metadata: { name: 'x' } }],
      ['POST', PODS, { metadata: { name: 'x' }, spec: { containers: 'x' } }],
      ['DELETE', `${PODS}/none`],
    ] as [string, string, unknown?][]) {
      const answer = await client.send(method, path, body);
      const { code, reason, message, details } = answer.body;
      messages.push([answer.status, code, reason, message, details]);
    }
    const text = JSON.stringify(messages, undefined, 1).replaceAll(NAMESPACE, '<namespace>');
    await expect(`${text}\n`).toMatchFileSnapshot('vectors/refusals.json');
  });

  test.each([
    ['ok', 'exit 0', { exitCode: 0, reason: 'Completed' }, 'Succeeded'],
    [
      'failed',
      'printf why > /dev/termination-log; exit 3',
      { exitCode: 3, reason: 'Error', message: 'why' },
      'Failed',
    ],
  ])('the status of a pod that is %s', async (name, command, terminated, phase) => {
    const id = `status-${name}`;
    expect(state(await run(id, command)).terminated).toMatchObject(terminated);
    const { status } = await podUntil(client, PODS, id, over);
    expect(status.phase).toBe(phase);
    const of = (type: string) => status.conditions.find((each: { type: string }) => each.type === type);
    expect(of('Ready')).toMatchObject({
      status: 'False',
      reason: phase === 'Failed' ? 'PodFailed' : 'PodCompleted',
    });
    expect(of('PodScheduled')).toMatchObject({ status: 'True' });
    expect(of('Initialized')).toMatchObject({ status: 'True' });
  });

  test('the status of a command that is not there', async () => {
    const { terminated } = state(await run('nocommand', ['nosuchcommand']));
    expect(terminated).toMatchObject({
      exitCode: 128,
      reason: 'StartError',
      startedAt: '1970-01-01T00:00:00Z',
      message: expect.stringContaining('exec: "nosuchcommand": executable file not found in $PATH: unknown'),
    });
  });

  test('variables are put into the command', async () => {
    const env = [
      { name: 'A', value: '1' },
      { name: 'B', value: '$(A)$(NOPE)$$(A)' },
    ];
    await run('variables', ['sh', '-c', 'echo "$HOSTNAME $B" "$0"', '$(A)'], { env });
    expect(await log('variables')).toBe('variables 1$(NOPE)$(A) 1\n');
  });

  test('attach: half-close of stdin, output after it, Status, close', async () => {
    await client.send('POST', PODS, pod('attach', 'cat; echo END; sleep 1; echo err >&2'));
    await podUntil(client, PODS, 'attach', running);
    const path = `${PODS}/attach/attach?container=worker`;
    const watcher = client.attach(`${path}&stdout=true`);
    const attached = client.attach(`${path}&stdin=true&stdout=true&stderr=true`);
    await Promise.all([watcher.opened, attached.opened]);
    attached.write('hello\r\n');
    let echo = 'hello\r\n';
    await attached.until(({ stdout }) => stdout === echo);
    // A real API server accepts before the node has attached: the watcher is there once it has seen something.
    do {
      attached.write('x');
      echo += 'x';
      await attached.until(({ stdout }) => stdout === echo);
      await sleep(20);
    } while (watcher.stdout === '');
    attached.end();
    expect([await attached.closed, await watcher.closed]).toEqual([1000, 1000]);
    expect(attached.frames[0]).toEqual([1, 0]);
    expect(attached.stdout).toBe(`${echo}END\n`);
    expect(attached.stderr).toBe('err\n');
    expect(attached.status).toBe('{"metadata":{},"status":"Success"}');
    expect(watcher.stdout).toContain('xEND\n');
    expect(attached.stdout.endsWith(watcher.stdout)).toBe(true);
    expect(watcher.stderr).toBe('');
  });

  test('attach: with stdin alone it is over at the half-close', async () => {
    await client.send('POST', PODS, pod('input', 'cat > /dev/null; exec sleep 60', BRIEF));
    await podUntil(client, PODS, 'input', running);
    const attached = client.attach(`${PODS}/input/attach?container=worker&stdin=true`);
    await attached.opened;
    attached.write('hello\n');
    attached.end();
    expect(await attached.closed).toBe(1000);
    expect(attached.frames[0]).toEqual([3, 0]);
    expect(attached.status).toBe('{"metadata":{},"status":"Success"}');
    expect(running((await client.get(`${PODS}/input`)).body)).toBe(true);
  });

  test('attach: it is over when the container has closed its outputs, though it goes on', async () => {
    await client.send('POST', PODS, pod('closes', 'read x; exec >/dev/null 2>&1; exec sleep 60', BRIEF));
    await podUntil(client, PODS, 'closes', running);
    const attached = client.attach(`${PODS}/closes/attach?container=worker&stdin=true&stdout=true`);
    await attached.opened;
    attached.write('go\n');
    expect(await attached.closed).toBe(1000);
    expect(attached.status).toContain('Success');
    expect(running((await client.get(`${PODS}/closes`)).body)).toBe(true);
  });

  test('attach: a dropped stdin connection is EOF', async () => {
    await client.send('POST', PODS, pod('drop', 'cat; echo END'));
    await podUntil(client, PODS, 'drop', running);
    const attached = client.attach(`${PODS}/drop/attach?container=worker&stdin=true&stdout=true`);
    await attached.opened;
    attached.write('hello\n');
    await attached.until(({ stdout }) => stdout === 'hello\n');
    attached.socket.terminate();
    await podUntil(client, PODS, 'drop', ended);
    expect(await log('drop')).toBe('hello\nEND\n');
  });

  test('attach: after the end it is accepted on v5 and refused on v4', async () => {
    await run('late', 'exit 0');
    const path = `${PODS}/late/attach?container=worker&stdout=true`;
    const v5 = client.attach(path);
    expect(await v5.closed).toBe(1000);
    const message = `container worker not found in pod late_${NAMESPACE}`;
    expect(JSON.parse(v5.status)).toEqual({
      metadata: {},
      status: 'Failure',
      message: `Internal error occurred: unable to upgrade connection: ${message}`,
      reason: 'InternalError',
      details: { causes: [{ message: `unable to upgrade connection: ${message}` }] },
      code: 500,
    });
    const v4 = client.attach(path, ['v4.channel.k8s.io']);
    await v4.closed;
    expect(v4.refused).toEqual({ status: 500, text: message });
  });

  test('an image that is not there', async () => {
    await client.send('POST', PODS, pod('image', 'x', { image: 'nosuch.invalid/foo:1' }));
    await podUntil(client, PODS, 'image', (object) => state(object).waiting?.reason === 'ImagePullBackOff');
    // It is in this state for some seconds, between two tries.
    await expect
      .poll(async () => (await client.get(`${PODS}/image/log`)).body.message, { timeout: 60_000 })
      .toBe('container "worker" in pod "image" is waiting to start: trying and failing to pull image');
  });

  test('deletion: SIGTERM, then SIGKILL, then it is gone', async () => {
    const command = 'trap : TERM; echo set; while :; do sleep 0.1; done';
    await client.send('POST', PODS, pod('delete', command, { grace: 2 }));
    const { metadata } = await podUntil(client, PODS, 'delete', running);
    await expect.poll(() => log('delete'), { timeout: 60_000 }).toBe('set\n');
    const { body } = await client.send('DELETE', `${PODS}/delete`);
    expect(body.metadata.deletionGracePeriodSeconds).toBe(2);
    const isGone = (_object: unknown, type: string) => type === 'DELETED';
    const object = await podUntil(client, PODS, 'delete', isGone, metadata.resourceVersion);
    expect(object.metadata.deletionGracePeriodSeconds).toBe(0);
    expect(state(object).terminated).toMatchObject({ exitCode: 137, reason: 'Error' });
  });
});
