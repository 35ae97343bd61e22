import { createHash } from 'node:crypto';
import { type DaemonProcess, startDaemon, temporaryDirectory } from '@receptor/e2e';
import { isComplete, ReceptorClient, type UnitReport } from '@receptor/protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type CuttingProxy, startCuttingProxy } from './support/cutting-proxy.js';

const kubeconfig = process.env.KUBECONFIG ?? '';
/** How often each is done; more is more certain, and takes about 20 seconds each. */
const RUNS = Number(process.env.RECEPTOR_TEST_OUTPUT_RUNS ?? 3);
const MEGABYTES = Number(process.env.RECEPTOR_TEST_OUTPUT_MEGABYTES ?? 100);
const CUT_MEGABYTES = Math.min(60, MEGABYTES);
const DIGEST = 64;

/** A pod that writes what `filter` makes of so many megabytes of noise at full speed, and its digest at the end. */
const pod = (megabytes: number, filter: string) =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { generateName: 'pod-output-' },
    spec: {
      restartPolicy: 'Never',
      containers: [
        {
          name: 'worker',
          image: 'busybox',
          command: [
            'sh',
            '-c',
            `head -c ${megabytes}000000 /dev/urandom | ${filter} > /tmp/f; d=$(sha256sum /tmp/f); cat /tmp/f; printf %.${DIGEST}s "$d"`,
          ],
        },
      ],
    },
  });

interface Outcome {
  unit: UnitReport;
  identical: boolean;
  bytes: number;
}

describe.skipIf(!kubeconfig)("a pod's output at full speed, on a real cluster", () => {
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
  let proxy: CuttingProxy;
  let daemon: DaemonProcess;
  let client: ReceptorClient;

  beforeAll(async () => {
    directory = await temporaryDirectory();
    proxy = await startCuttingProxy(kubeconfig, directory.path, /\/attach\?/, 2_000);
    const type = (worktype: string, config: string) => ({
      'work-kubernetes': { worktype, authmethod: 'kubeconfig', kubeconfig: config, allowruntimepod: true },
    });
    daemon = await startDaemon({
      directory: directory.path,
      sections: [type('straight', kubeconfig), type('cut', proxy.kubeconfig)],
    });
    client = new ReceptorClient(daemon.socket);
  });

  afterAll(async () => {
    client?.close();
    await daemon?.stop();
    await proxy?.close();
    await directory.remove();
  });

  async function runPod(workType: 'straight' | 'cut', filter: string): Promise<Outcome> {
    const { unitid } = await client.submitWork({
      workType,
      parameters: { secret_kube_pod: pod(workType === 'cut' ? CUT_MEGABYTES : MEGABYTES, filter) },
      payload: '',
    });
    const hash = createHash('sha256');
    let bytes = 0;
    let tail = Buffer.alloc(0);
    for await (const chunk of client.results(unitid)) {
      const all = Buffer.concat([tail, chunk as Buffer]);
      tail = Buffer.from(all.subarray(-DIGEST));
      hash.update(all.subarray(0, -DIGEST));
      bytes += (chunk as Buffer).length;
    }
    const unit = await client.workStatus(unitid);
    expect(isComplete(unit.State)).toBe(true);
    await client.releaseWork(unitid);
    return { unit, identical: hash.digest('hex') === tail.toString('latin1'), bytes };
  }

  const repeatedly = async (what: (run: number) => Promise<void>) => {
    for (let run = 0; run < RUNS; run++) await what(run);
  };

  test(`is identical, though the log is rotated faster than it is read (${RUNS} runs)`, () =>
    repeatedly(async () => {
      const { unit, identical } = await runPod('straight', 'cat');
      expect(unit).toMatchObject({ Detail: 'Finished', ExtraData: { Gaps: [] } });
      expect(identical).toBe(true);
    }));

  test(`is identical, or has its gaps reported, while attach is cut every few seconds (${RUNS} runs)`, () =>
    repeatedly(async () => {
      // The log folds carriage returns; without them there is nothing that it cannot give back exactly.
      const { unit, identical } = await runPod('cut', "tr -d '\\r'");
      const { Gaps } = unit.ExtraData as { Gaps: { at: number; reason: string }[] };
      if (Gaps.length > 0) expect(unit.Detail).toContain('the output has');
      else expect(identical).toBe(true);
    }));

  test(`says where carriage returns may be missing when attach is cut every few seconds (${RUNS} runs)`, async () => {
    await repeatedly(async () => {
      const { unit, identical } = await runPod('cut', 'cat');
      const { Gaps, Uncertain = [] } = unit.ExtraData as { Gaps: unknown[]; Uncertain?: { at: number }[] };
      if (identical) return;
      expect(Gaps.length + Uncertain.length).toBeGreaterThan(0);
      expect(unit.Detail).toMatch(/the output has|carriage returns may be missing/);
    });
    expect(proxy.cuts()).toBeGreaterThan(0);
  });
});
