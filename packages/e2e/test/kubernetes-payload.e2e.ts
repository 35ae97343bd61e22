import { type DaemonProcess, startDaemon, temporaryDirectory } from '@receptor/e2e';
import { type Simulator, startSimulator } from '@receptor/kubernetes-simulator';
import { WorkState } from '@receptor/protocol';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ECHO_TYPE, echo } from './support/echo.js';

const SIZE = 100_000_000;

let cluster: Simulator;
let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let daemon: DaemonProcess;

beforeAll(async () => {
  directory = await temporaryDirectory();
  cluster = await startSimulator();
  daemon = await startDaemon({ directory: directory.path, sections: [ECHO_TYPE] });
});

afterAll(async () => {
  await daemon.stop();
  await cluster.close();
  await directory.remove();
});

test('a payload of 100 MB comes back whole, and takes less than 64 MiB of memory', async () => {
  const { identical, unit, grewBy } = await echo(daemon, SIZE, { secret_kube_config: cluster.kubeconfig() });
  expect(unit).toMatchObject({ State: WorkState.Succeeded, StdoutSize: SIZE, ExtraData: { Gaps: [] } });
  expect(identical).toBe(true);
  expect(grewBy).toBeLessThan(64 * 2 ** 20);
});
