import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Simulator, startSimulator } from '../src/index.js';
import { Client, over, pod, podUntil, running, state } from './client.js';

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

test('runs a pod to its end and keeps its log', async () => {
  const created = await client.send('POST', PODS, pod('one', 'echo hi; echo err >&2; exit 3'));
  expect(created.status).toBe(201);
  const last = await podUntil(client, PODS, 'one', over);
  expect(state(last).terminated).toMatchObject({ exitCode: 3, reason: 'Error' });
  const log = await client.get(`${PODS}/one/log`);
  expect(log.text.split('\n').sort()).toEqual(['', 'err', 'hi']);
});

test('attaches', async () => {
  await client.send('POST', PODS, pod('cat', 'cat; echo END'));
  await podUntil(client, PODS, 'cat', running);
  const attached = client.attach(`${PODS}/cat/attach?container=worker&stdin=true&stdout=true&stderr=true`);
  await attached.opened;
  attached.write('hello\r\nx');
  await attached.until(({ stdout }) => stdout === 'hello\r\nx');
  attached.end();
  expect(await attached.closed).toBe(1000);
  expect(attached.stdout).toBe('hello\r\nxEND\n');
  expect(JSON.parse(attached.status)).toEqual({ metadata: {}, status: 'Success' });
  expect((await client.get(`${PODS}/cat/log`)).text).toBe('hello\nxEND\n');
});

test('a 64 MiB scripted log', async () => {
  const line = Buffer.from(`${'x'.repeat(99)}\n`.repeat(655));
  cluster.settings.script = () =>
    async function* () {
      for (let i = 0; i < 1024; i++) yield line;
    };
  const t0 = performance.now();
  await client.send('POST', PODS, pod('big', ''));
  await podUntil(client, PODS, 'big', running);
  const log = await client.get(`${PODS}/big/log?follow=true&timestamps=true`);
  expect(log.text.length).toBe(1024 * 655 * 131);
  console.log(performance.now() - t0);
});
