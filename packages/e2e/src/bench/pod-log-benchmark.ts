import { receptorctl, run, startDaemon, temporaryDirectory } from '../index.js';
import type { Benchmark } from './benchmark.js';

const MEGABYTES = 100;

/** busybox knows the time in whole seconds only, so it is told when one begins. */
const SAY_WHEN = 's=$(date +%s); while [ $(date +%s) = $s ]; do :; done; date +%s';

/** A pod that waits until its output is ready to be written, then says when it begins and writes it at full speed. */
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
            `head -c ${MEGABYTES}000000 /dev/urandom > /tmp/f; sleep 1; ${SAY_WHEN}; cat /tmp/f; sync`,
          ],
        },
      ],
    },
  });

/** Which of the two reads the pod's output. */
export type Reader = 'ours' | 'kubectl';

/**
 * A pod's output as a unit's results, and as `kubectl logs -f` has it. How much of it came is told as well: kubectl loses what is
 * rotated away before it is read.
 */
export function podLog(kubeconfig: string): Benchmark<Reader> {
  return {
    figures: [
      { name: "a pod's log, MB/s", target: { ratioAtLeast: 0.9 } },
      { name: `of ${MEGABYTES} MB there came, MB`, target: { ratioAtLeast: 1 } },
    ],
    rounds: 3,
    measure: (reader) => (reader === 'ours' ? readAsUnit(kubeconfig) : readWithKubectl()),
  };
}

const kubectl = { command: 'kubectl', prefix: [] };

async function readWithKubectl(): Promise<number[]> {
  const created = await run(kubectl, ['create', '-o', 'name', '-f', '-'], { input: pod('bench') });
  const name = created.stdout.toString().trim();
  await run(kubectl, ['wait', '--for=condition=Ready', name, '--timeout=60s']);
  try {
    return await timed(() => run(kubectl, ['logs', '-f', name]));
  } finally {
    await run(kubectl, ['delete', '--wait=false', name]);
  }
}

async function readAsUnit(kubeconfig: string): Promise<number[]> {
  const directory = await temporaryDirectory();
  const workKubernetes = {
    worktype: 'kubeit',
    authmethod: 'kubeconfig',
    kubeconfig,
    allowruntimepod: true,
  };
  const daemon = await startDaemon({
    directory: directory.path,
    sections: [{ 'work-kubernetes': workKubernetes }],
  });
  try {
    const parameter = `secret_kube_pod=${pod('bench')}`;
    return await timed(() =>
      run(receptorctl, [
        ...['--socket', daemon.socket, 'work', 'submit', 'kubeit'],
        ...['-n', '-f', '--rm', '--param', parameter],
      ]),
    );
  } finally {
    await daemon.stop();
    await directory.remove();
  }
}

/** The rate from the moment the pod says it begins, on its own clock, to the moment the reader has everything. */
async function timed(read: () => ReturnType<typeof run>): Promise<number[]> {
  const { stdout, stderr } = await read();
  const end = Date.now() / 1000;
  const began = Number.parseFloat(stdout.toString('latin1', 0, stdout.indexOf(10)));
  if (Number.isNaN(began)) throw new Error(`the pod did not say when it began: ${stderr.toString()}`);
  return [stdout.length / 1e6 / (end - began), stdout.length / 1e6];
}
