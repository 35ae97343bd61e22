import { afterEach, describe, expect, it, vi } from 'vitest';
import { runDaemon } from '../control/running-daemon.js';

/** What the log says of a node's keys: values that are no numbers are complained of by the variable they stand for. */
async function complaints(keys: string): Promise<string[]> {
  const running = await runDaemon(
    `- local-only\n- work-kubernetes: {worktype: k, authmethod: kubeconfig, image: x}`,
    undefined,
    `foo, ${keys}`,
  );
  const lines = running.log.filter((line) => line.includes('Invalid value'));
  await running.end();
  return lines.map((line) => line.replace(/^\w+ \S+ \S+ /, '').trim());
}

afterEach(() => vi.unstubAllEnvs());

describe('the receptorkube* keys of the node', () => {
  it.each([
    ['receptorkubesupportreconnect', 'RECEPTOR_KUBE_SUPPORT_RECONNECT'],
    ['receptorkubeclientsetqps', 'RECEPTOR_KUBE_CLIENTSET_QPS'],
    ['receptorkubeclientsetburst', 'RECEPTOR_KUBE_CLIENTSET_BURST'],
    ['receptorkubeclientsetratelimiter', 'RECEPTOR_KUBE_CLIENTSET_RATE_LIMITER'],
  ])('%s stands for %s', async (key, variable) => {
    expect(await complaints(`${key}: odd`)).toEqual([`Invalid value for ${variable}: odd. Ignoring`]);
  });

  it('go before the environment, which counts where they are not given', async () => {
    vi.stubEnv('RECEPTOR_KUBE_CLIENTSET_QPS', 'from-environment');
    expect(await complaints('receptorkubeclientsetqps: "7"')).toEqual([]);
    expect(await complaints('receptorkubeclientsetqps: ""')).toEqual([
      'Invalid value for RECEPTOR_KUBE_CLIENTSET_QPS: from-environment. Ignoring',
    ]);
  });
});
