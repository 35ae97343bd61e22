import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type DaemonProcess, type Program, receptorctl, run, startDaemon } from '@receptor/e2e';
import { parse } from 'yaml';

/** The pod of Receptor's guide. */
export const GUIDE_POD = fileURLToPath(
  new URL('../../../../examples/kubernetes/kubeitpod.yml', import.meta.url),
);
const GUIDE_CONFIGURATION = fileURLToPath(
  new URL('../../../../examples/kubernetes/foo.yml', import.meta.url),
);

/** Starts the guide's own configuration, with nothing changed but where its socket and data are, and its port. */
export async function startGuideDaemon(
  directory: string,
  env: NodeJS.ProcessEnv = {},
): Promise<DaemonProcess> {
  const sections = parse(await readFile(GUIDE_CONFIGURATION, 'utf8'), { version: '1.1' }) as Record<
    string,
    object
  >[];
  const changes: Record<string, object> = {
    node: { datadir: join(directory, 'data') },
    'tcp-listener': { port: 0 },
    'control-service': { filename: join(directory, 'ctl.sock') },
  };
  const allSections = sections.map((section) =>
    Object.fromEntries(
      Object.entries(section).map(([name, fields]) => [name, { ...fields, ...changes[name] }]),
    ),
  );
  return startDaemon({ directory, allSections, env });
}

/** What came of the guide's dialogue. */
export interface GuideOutcome {
  submitted: string;
  unitId: string;
  results: string;
  unit: { State: number; Detail: string; StdoutSize: number; ExtraData: Record<string, unknown> };
  released: string;
}

/** The guide's dialogue, word for word: submit, results; then list and release. */
export async function followGuide(
  socket: string,
  parameters: readonly string[],
  program: Program = receptorctl,
): Promise<GuideOutcome> {
  const ctl = async (...args: string[]) => {
    const { code, stdout, stderr } = await run(program, ['--socket', socket, ...args]);
    if (code !== 0)
      throw new Error(`receptorctl ${args.slice(0, 2).join(' ')}: exit code ${code}\n${stdout}${stderr}`);
    return stdout.toString();
  };
  const words = parameters.flatMap((parameter) => ['--param', parameter]);
  const submitted = await ctl('work', 'submit', 'kubeit', ...words, '--no-payload');
  const unitId = /^Result: Job Started\nUnit ID: ([0-9a-zA-Z]{8})\n$/.exec(submitted)?.[1] ?? '';
  const results = await ctl('work', 'results', unitId);
  const unit = JSON.parse(await ctl('work', 'list', '--unit_id', unitId))[unitId];
  const released = await ctl('work', 'release', unitId);
  return { submitted, unitId, results, unit, released };
}

/** Rewrites a kubeconfig so that it names its certificates and keys by path, as minikube's does. */
export async function kubeconfigWithFiles(kubeconfig: string, directory: string): Promise<string> {
  const config = parse(await readFile(kubeconfig, 'utf8'));
  const toFile = async (holder: Record<string, string>, name: string, file: string) => {
    const data = holder[`${name}-data`];
    if (data === undefined) return;
    const path = join(directory, file);
    await writeFile(path, Buffer.from(data, 'base64'), { mode: 0o600 });
    delete holder[`${name}-data`];
    holder[name] = path;
  };
  await toFile(config.clusters[0].cluster, 'certificate-authority', 'ca.crt');
  await toFile(config.users[0].user, 'client-certificate', 'client.crt');
  await toFile(config.users[0].user, 'client-key', 'client.key');
  const path = join(directory, 'kubeconfig-with-files');
  await writeFile(path, JSON.stringify(config), { mode: 0o600 });
  return path;
}
