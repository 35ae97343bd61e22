import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type DaemonProcess, kubernetesSimulator, run, temporaryDirectory } from '@receptor/e2e';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { followGuide, GUIDE_POD, startGuideDaemon } from './support/guide.js';

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let daemon: DaemonProcess;
let kubeconfig: string;
let simulator: ReturnType<typeof spawn>;

beforeAll(async () => {
  directory = await temporaryDirectory();
  kubeconfig = join(directory.path, 'kubeconfig');
  simulator = spawn(
    kubernetesSimulator.command,
    [...kubernetesSimulator.prefix, '--kubeconfig', kubeconfig],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  if (!simulator.stdout) throw new Error('the simulator has no output');
  await once(simulator.stdout, 'data');
  daemon = await startGuideDaemon(directory.path);
});

afterAll(async () => {
  await daemon?.stop();
  const closed = once(simulator, 'close');
  simulator.kill('SIGTERM');
  await closed;
  await directory.remove();
});

test("the guide's dialogue, on the simulator", async () => {
  const guide = await followGuide(daemon.socket, [
    `secret_kube_config=@${kubeconfig}`,
    `secret_kube_pod=@${GUIDE_POD}`,
  ]);
  expect(guide.submitted).toBe(`Result: Job Started\nUnit ID: ${guide.unitId}\n`);
  expect(guide.results).toBe('The Pod is running\n');
  expect(guide.unit).toMatchObject({ State: 2, StdoutSize: 19 });
  expect(guide.released).toBe(`Released:\n(${guide.unitId}, released)\n`);
});

test('no secret of it is in the log, in a reply, or in the arguments of a process', async () => {
  const guide = await followGuide(daemon.socket, [
    `secret_kube_config=@${kubeconfig}`,
    `secret_kube_pod=@${GUIDE_POD}`,
  ]);
  expect(guide.unit.ExtraData).toMatchObject({ KubeConfig: '', KubePod: '' });
  const [server] = /https:\/\/\S+/.exec(await readFile(kubeconfig, 'utf8')) ?? [];
  const key = /client-key-data: (\S{40})|token: (\S+)/
    .exec(await readFile(kubeconfig, 'utf8'))
    ?.slice(1)
    .find(Boolean);
  expect(server).toBeDefined();
  expect(key).toBeDefined();
  expect(daemon.log()).not.toContain(key);
  expect(daemon.log()).not.toContain('echo The Pod is running');
  const processes = await run({ command: 'ps', prefix: [] }, ['-eo', 'args']);
  expect(processes.stdout.toString()).not.toContain(key);
});
