import { type DaemonProcess, pythonReceptorctl, receptorctl, run, temporaryDirectory } from '@receptor/e2e';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { followGuide, GUIDE_POD, kubeconfigWithFiles, startGuideDaemon } from './support/guide.js';

const kubeconfig = process.env.KUBECONFIG ?? '';
const fewRights = process.env.RECEPTOR_TEST_FEW_RIGHTS_KUBECONFIG ?? '';
const POD = `secret_kube_pod=@${GUIDE_POD}`;

describe.skipIf(!kubeconfig)('the guide "Kubernetes work", on a real cluster', () => {
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
  let daemon: DaemonProcess;

  beforeAll(async () => {
    directory = await temporaryDirectory();
    daemon = await startGuideDaemon(directory.path);
  });

  afterAll(async () => {
    await daemon?.stop();
    await directory.remove();
  });

  const follows = async (parameters: string[], program = receptorctl) => {
    const guide = await followGuide(daemon.socket, parameters, program);
    expect(guide.submitted).toBe(`Result: Job Started\nUnit ID: ${guide.unitId}\n`);
    expect(guide.results).toBe('The Pod is running\n');
    expect(guide.unit).toMatchObject({ State: 2, StdoutSize: 19 });
    expect(guide.unit.ExtraData).toMatchObject({ KubeConfig: '', KubePod: '' });
    expect(guide.unit.ExtraData.PodName).toMatch(/^myapp-pod-/);
    expect(guide.released).toBe(`Released:\n(${guide.unitId}, released)\n`);
    const pod = String(guide.unit.ExtraData.PodName);
    await expect.poll(() => podExists(pod), { timeout: 60_000, interval: 500 }).toBe(false);
  };

  test('word for word', () => follows([`secret_kube_config=@${kubeconfig}`, POD]));

  test('with a kubeconfig that names its certificates by path, as minikube writes it', async () => {
    await follows([`secret_kube_config=@${await kubeconfigWithFiles(kubeconfig, directory.path)}`, POD]);
  });

  test.skipIf(!fewRights)('with the few rights of a service account', () =>
    follows([`secret_kube_config=@${fewRights}`, POD]),
  );

  test.skipIf(!pythonReceptorctl)('with the Python receptorctl', async () => {
    if (pythonReceptorctl) await follows([`secret_kube_config=@${kubeconfig}`, POD], pythonReceptorctl);
  });
});

async function podExists(name: string): Promise<boolean> {
  const { stdout } = await run({ command: 'kubectl', prefix: [] }, [
    'get',
    'pod',
    name,
    '--ignore-not-found',
    '-o',
    'name',
  ]);
  return stdout.length > 0;
}
