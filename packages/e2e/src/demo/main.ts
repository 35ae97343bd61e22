import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { kubernetesSimulator, receptorctl, run, startDaemon, temporaryDirectory } from '../index.js';

const POD = fileURLToPath(new URL('../../../../examples/kubernetes/kubeitpod.yml', import.meta.url));
/** How long an interrupted demonstration takes for its pod at most, in milliseconds. */
const CLEAN_UP_MS = 15_000;

/** Aborted by whoever wants the demonstration to end. The programs that manage each other send a signal twice. */
const interrupt = new AbortController();
const ENDS = { SIGINT: 2, SIGTERM: 15, SIGHUP: 1 } as const;
for (const [name, number] of Object.entries(ENDS)) {
  process.on(name, () => {
    process.exitCode = 128 + number;
    interrupt.abort(new Error(`interrupted by ${name}`));
  });
}
process.stdout.on('error', (error) => interrupt.abort(error));
process.stderr.on('error', () => {});

const say = (text: string) => console.log(`\n# ${text}`);

/** Runs receptorctl as a person would, and shows both the call and what it prints, as it prints it. */
async function ctl(socket: string, ...args: string[]): Promise<string> {
  console.log(`$ receptorctl --socket ${socket} ${args.join(' ')}`);
  const child = spawn(receptorctl.command, [...receptorctl.prefix, '--socket', socket, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    signal: interrupt.signal,
  });
  let printed = '';
  child.stdout.on('data', (chunk: Buffer) => {
    printed += chunk.toString();
    process.stdout.write(chunk);
  });
  const [code] = await once(child, 'close');
  interrupt.signal.throwIfAborted();
  if (code !== 0) throw new Error(`receptorctl ended with code ${code}`);
  return printed;
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
    // Apart from the terminal: at Ctrl-C it is needed a little longer, to delete the pod.
    { stdio: ['ignore', 'pipe', 'inherit'], detached: true },
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

/** Submits the pod, shows its life and its output, and releases it. */
async function show(socket: string, kubeconfig: string): Promise<void> {
  say('The pod to run');
  console.log(await readFile(POD, 'utf8'));
  say('Submit it');
  const submitted = await ctl(
    socket,
    ...['work', 'submit', 'kubeit', '--param', `secret_kube_config=@${kubeconfig}`],
    ...['--param', `secret_kube_pod=@${POD}`, '--no-payload'],
  );
  const id = /Unit ID: (\S+)/.exec(submitted)?.[1] ?? '';
  say('Its output, as it comes');
  await ctl(socket, 'work', 'results', id);
  say('What is known of it');
  await ctl(socket, 'work', 'list', '--unit_id', id);
  say('Release it: the unit and its pod go');
  await ctl(socket, 'work', 'release', id);
}

async function main(): Promise<void> {
  const directory = await temporaryDirectory();
  try {
    const kubernetes = await cluster(directory.path);
    try {
      say('A node with a work type for Kubernetes');
      const allowed = { allowruntimeauth: true, allowruntimepod: true, allowruntimeparams: true };
      const daemon = await startDaemon({
        directory: directory.path,
        sections: [{ 'work-kubernetes': { worktype: 'kubeit', authmethod: 'kubeconfig', ...allowed } }],
        detached: true,
      });
      try {
        console.log(await readFile(join(directory.path, 'receptor.yml'), 'utf8'));
        interrupt.signal.throwIfAborted();
        await show(daemon.socket, kubernetes.kubeconfig);
      } catch (error) {
        // What was submitted must not outlive the node that looks after it.
        const signal = AbortSignal.timeout(CLEAN_UP_MS);
        await run(receptorctl, ['--socket', daemon.socket, 'work', 'release', '--all'], {
          signal,
          detached: true,
        });
        throw error;
      } finally {
        await daemon.stop();
      }
    } finally {
      await kubernetes.stop();
    }
  } finally {
    await directory.remove();
  }
}

try {
  await main();
  say('Done. Nothing is left running.');
} catch (error) {
  if (!interrupt.signal.aborted) throw error;
  say('Interrupted. Nothing is left running.');
}
