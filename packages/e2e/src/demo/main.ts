import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { kubernetesSimulator, receptorctl, run, startDaemon, temporaryDirectory } from '../index.js';

const POD = fileURLToPath(new URL('../../../../examples/kubernetes/kubeitpod.yml', import.meta.url));

const say = (text: string) => console.log(`\n# ${text}`);

/** Runs receptorctl as a person would, and shows both the call and what it printed. */
async function ctl(socket: string, ...args: string[]): Promise<string> {
  console.log(`$ receptorctl --socket ${socket} ${args.join(' ')}`);
  const { code, stdout, stderr } = await run(receptorctl, ['--socket', socket, ...args]);
  process.stdout.write(stdout);
  process.stderr.write(stderr);
  if (code !== 0) throw new Error(`receptorctl ended with code ${code}`);
  return stdout.toString();
}

/** A cluster to run on: the one that KUBECONFIG names, or else a simulated one. */
async function cluster(directory: string): Promise<{ kubeconfig: string; stop(): Promise<void> }> {
  const given = process.env.KUBECONFIG;
  if (given) {
    say(`Kubernetes: the cluster of ${given}`);
    return { kubeconfig: given, stop: async () => {} };
  }
  const kubeconfig = join(directory, 'kubeconfig');
  const child = spawn(
    kubernetesSimulator.command,
    [...kubernetesSimulator.prefix, '--kubeconfig', kubeconfig],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  const ended = once(child, 'close').then(([code]) => {
    throw new Error(`the simulator ended with code ${code}`);
  });
  ended.catch(() => {});
  const [greeting] = await Promise.race([once(child.stdout, 'data'), ended]);
  say('Kubernetes: KUBECONFIG names no cluster, so a simulator stands in for one');
  process.stdout.write(greeting);
  return { kubeconfig, stop: () => end(child) };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const closed = once(child, 'close');
  child.kill('SIGTERM');
  await closed;
}

const directory = await temporaryDirectory();
const kubernetes = await cluster(directory.path);
try {
  say('A node with a work type for Kubernetes');
  const allowed = { allowruntimeauth: true, allowruntimepod: true, allowruntimeparams: true };
  const daemon = await startDaemon({
    directory: directory.path,
    sections: [{ 'work-kubernetes': { worktype: 'kubeit', authmethod: 'kubeconfig', ...allowed } }],
  });
  try {
    console.log(await readFile(join(directory.path, 'receptor.yml'), 'utf8'));
    say('The pod to run');
    console.log(await readFile(POD, 'utf8'));
    say('Submit it');
    const submitted = await ctl(
      daemon.socket,
      ...['work', 'submit', 'kubeit', '--param', `secret_kube_config=@${kubernetes.kubeconfig}`],
      ...['--param', `secret_kube_pod=@${POD}`, '--no-payload'],
    );
    const id = /Unit ID: (\S+)/.exec(submitted)?.[1] ?? '';
    say('Its output, as it comes');
    await ctl(daemon.socket, 'work', 'results', id);
    say('What is known of it');
    await ctl(daemon.socket, 'work', 'list', '--unit_id', id);
    say('Release it: the unit and its pod go');
    await ctl(daemon.socket, 'work', 'release', id);
  } finally {
    await daemon.stop();
  }
  say('Done. Nothing is left running.');
} finally {
  await kubernetes.stop();
  await directory.remove();
}
