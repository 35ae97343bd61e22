import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Program, receptor } from '@receptor/e2e';
import { parse } from 'yaml';

const MOUNTED = '/var/run/secrets/kubernetes.io/serviceaccount';

/** What a kubelet gives a pod, made from the kubeconfig of a service account. */
export interface ServiceAccountView {
  /** Our daemon, in a mount namespace of its own where the account's files are at their place. Needs root. */
  program: Program;
  env: Record<string, string>;
}

/** Makes a daemon believe that it is in a pod of this service account. */
export async function asServiceAccount(kubeconfig: string, directory: string): Promise<ServiceAccountView> {
  const config = parse(await readFile(kubeconfig, 'utf8'));
  const { server, 'certificate-authority-data': ca } = config.clusters[0].cluster;
  const { hostname, port } = new URL(server);
  const files = join(directory, 'service-account');
  await mkdir(files, { mode: 0o700 });
  const options = { mode: 0o600 };
  await writeFile(join(files, 'token'), config.users[0].user.token, options);
  await writeFile(join(files, 'ca.crt'), Buffer.from(ca, 'base64'), options);
  await writeFile(join(files, 'namespace'), config.contexts[0].context.namespace ?? 'default', options);
  // Only this process and its children see what is mounted.
  const script = `mount -t tmpfs none "$(readlink -f /var/run)" && mkdir -p ${MOUNTED} &&
    mount --bind "$0" ${MOUNTED} && exec "$@"`;
  return {
    program: {
      command: 'unshare',
      prefix: ['-m', 'sh', '-c', script, files, receptor.command, ...receptor.prefix],
    },
    env: { KUBERNETES_SERVICE_HOST: hostname, KUBERNETES_SERVICE_PORT: port || '443' },
  };
}
