import { readFile } from 'node:fs/promises';
import { receptorctl, run, startDaemon, temporaryDirectory } from '../index.js';
import type { Figures } from './daemon-benchmarks.js';

const MEGABYTES = 100;

/** A pod that waits until its output is ready to be written, then writes it at full speed. */
const pod = (name: string) =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { generateName: `${name}-` },
    spec: {
      restartPolicy: 'Never',
      containers: [
        {
          name: 'worker',
          image: 'busybox',
          command: [
            'sh',
            '-c',
            `head -c ${MEGABYTES}000000 /dev/urandom > /tmp/f; sleep 1; date +%s.%N; cat /tmp/f; sync`,
          ],
        },
      ],
    },
  });

/**
 * Reads the same pod's output once with `kubectl logs -f` and once as a unit; seconds are counted from the first
 * byte to the last. Without a cluster in `KUBECONFIG` there is nothing to compare, and the answer is undefined.
 */
export async function benchPodLog(): Promise<{ ours: Figures; kubectl: Figures } | undefined> {
  const kubeconfig = process.env.KUBECONFIG;
  if (!kubeconfig) return undefined;
  const kubectl = { command: 'kubectl', prefix: [] };
  const name = `bench-${process.pid}`;
  const created = await run(kubectl, ['create', '-o', 'name', '-f', '-'], { input: pod(name) });
  const podName = created.stdout.toString().trim();
  await run(kubectl, ['wait', '--for=condition=Ready', podName, '--timeout=60s']);
  const theirs = await timed(() => run(kubectl, ['logs', '-f', podName]));
  await run(kubectl, ['delete', '--wait=false', podName]);

  const directory = await temporaryDirectory();
  const daemon = await startDaemon({
    directory: directory.path,
    sections: [
      {
        'work-kubernetes': {
          worktype: 'kubeit',
          authmethod: 'kubeconfig',
          kubeconfig,
          allowruntimepod: true,
        },
      },
    ],
  });
  try {
    await readFile(kubeconfig);
    const submit = [
      '--socket',
      daemon.socket,
      'work',
      'submit',
      'kubeit',
      '-n',
      '-f',
      '--rm',
      '--param',
      `secret_kube_pod=${pod(name)}`,
    ];
    const ours = await timed(() => run(receptorctl, submit));
    return { ours, kubectl: theirs };
  } finally {
    await daemon.stop();
    await directory.remove();
  }
}

/** The rate from the moment the pod says it begins, on its own clock, to the moment the reader has everything. */
async function timed(read: () => ReturnType<typeof run>): Promise<Figures> {
  const { stdout, stderr } = await read();
  const end = Date.now() / 1000;
  const began = Number.parseFloat(stdout.toString('latin1', 0, stdout.indexOf(10)));
  if (Number.isNaN(began)) throw new Error(`the pod did not say when it began: ${stderr.toString()}`);
  return new Map([
    ['MB/s', stdout.length / 1e6 / (end - began)],
    ['MB read', stdout.length / 1e6],
  ]);
}
