import { readdirSync, readFileSync } from 'node:fs';
import { readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type DaemonProcess, receptorctl, run, temporaryDirectory } from '@receptor/e2e';
import { type Simulator, startSimulator } from '@receptor/kubernetes-simulator';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { startGuideDaemon } from './support/guide.js';

/** What must be seen nowhere. */
const PLANTED = 'xyzzy-planted-secret';

let cluster: Simulator;
let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let daemon: DaemonProcess;
let token: string;
/** Everything that programs have said, and all command lines that were seen. */
const replies: string[] = [];
const commandLines = new Set<string>();
let watching: NodeJS.Timeout;

beforeAll(async () => {
  directory = await temporaryDirectory();
  cluster = await startSimulator();
  token = parse(cluster.kubeconfig({ auth: 'token' })).users[0].user.token;
  daemon = await startGuideDaemon(directory.path, { RECEPTOR_KUBE_TIMEOUT_START: '10ms' });
  watching = setInterval(() => {
    for (const pid of readdirSync('/proc')) {
      if (!/^\d+$/.test(pid)) continue;
      try {
        commandLines.add(readFileSync(`/proc/${pid}/cmdline`, 'utf8'));
      } catch {
        // It has ended.
      }
    }
  }, 20);
});

afterAll(async () => {
  clearInterval(watching);
  await daemon.stop();
  await cluster.close();
  await directory.remove();
});

const ctl = async (...args: string[]) => {
  const { stdout, stderr } = await run(receptorctl, ['--socket', daemon.socket, ...args]);
  replies.push(stdout.toString(), stderr.toString());
  return stdout.toString() + stderr.toString();
};

const pod = (more: object = {}) =>
  stringify({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { generateName: 'secret-' },
    spec: {
      restartPolicy: 'Never',
      containers: [
        {
          name: 'worker',
          image: 'busybox',
          env: [{ name: 'PASSWORD', value: PLANTED }],
          command: ['sh', '-c', 'sleep 0.3; test "$PASSWORD" && echo done'],
        },
      ],
      ...more,
    },
  });

/** Submits with these texts, each by a file, as the guide does it. */
async function submit(kubeconfig: string, document: string): Promise<string> {
  const files = { config: join(directory.path, 'config'), pod: join(directory.path, 'pod') };
  await writeFile(files.config, kubeconfig, { mode: 0o600 });
  await writeFile(files.pod, document, { mode: 0o600 });
  return ctl(
    ...['work', 'submit', 'kubeit', '--no-payload', '--follow'],
    ...['--param', `secret_kube_config=@${files.config}`, '--param', `secret_kube_pod=@${files.pod}`],
    // Allowed by nobody and known to nobody; a work type must not say what it was.
    ...['--param', 'secret_other=nothing'],
  );
}

function kubeconfigWith(change: (user: Record<string, unknown>, cluster: Record<string, unknown>) => void) {
  const config = parse(cluster.kubeconfig({ auth: 'token' }));
  change(config.users[0].user, config.clusters[0].cluster);
  return stringify(config);
}

describe('no secret is told', () => {
  test('of a unit that runs', async () => {
    expect(
      await submit(
        kubeconfigWith(() => {}),
        pod(),
      ),
    ).toContain('done');
  });

  test.each<[string, () => string, string, RegExp]>([
    ['a kubeconfig that is no YAML', () => `users: [{${PLANTED}: {`, pod(), /yaml: line 1/],
    ['a kubeconfig that is a word', () => PLANTED, pod(), /cannot unmarshal|configuration|kubeconfig/],
    [
      'a kubeconfig whose certificate is none',
      () =>
        kubeconfigWith((_, to) => {
          to['certificate-authority-data'] = Buffer.from(PLANTED).toString('base64');
        }),
      pod(),
      /certificate|root/,
    ],
    [
      'a kubeconfig whose certificate is not base64',
      () =>
        kubeconfigWith((_, to) => {
          to['certificate-authority-data'] = `!${PLANTED}!`;
        }),
      pod(),
      /root certificates/,
    ],
    [
      'a key that is none',
      () =>
        kubeconfigWith((user) => {
          user['client-certificate-data'] = Buffer.from(PLANTED).toString('base64');
          user['client-key-data'] = Buffer.from(PLANTED).toString('base64');
        }),
      pod(),
      /tls|certificate|PEM/i,
    ],
    [
      'a token that cannot be in a header',
      () =>
        kubeconfigWith((user) => {
          user.token = `${PLANTED}\n\u0007`;
        }),
      pod(),
      /Unauthorized|header|token/i,
    ],
    [
      'a token that is refused',
      () =>
        kubeconfigWith((user) => {
          user.token = PLANTED;
        }),
      pod(),
      /Unauthorized/,
    ],
    ['a pod that is no YAML', () => kubeconfigWith(() => {}), `kind: Pod\n{${PLANTED}: [`, /yaml: line 2/],
    ['a pod that is a word', () => kubeconfigWith(() => {}), PLANTED, /version\/kind|Kind|not an object/],
    ['a pod that Kubernetes refuses', () => kubeconfigWith(() => {}), pod({ restartPolicy: 1 }), /./],
  ])('of %s', async (_, kubeconfig, document, why) => {
    expect(await submit(kubeconfig(), document)).toMatch(why);
  });

  test('in a list, a status, the log or the arguments of a process', async () => {
    for (const [id] of Object.entries(JSON.parse(await ctl('work', 'list'))))
      await ctl('work', 'list', '--unit_id', id);
    await ctl('status');
    const hidden = [PLANTED, token, Buffer.from(PLANTED).toString('base64')];
    for (const secret of hidden) {
      expect(daemon.log()).not.toContain(secret);
      expect(replies.filter((reply) => reply.includes(secret))).toEqual([]);
      expect([...commandLines].filter((line) => line.includes(secret))).toEqual([]);
    }
    expect([...commandLines].some((line) => line.includes('receptorctl'))).toBe(true);
  });

  test('to other users: files are for their owner, directories too', async () => {
    const data = join(directory.path, 'data');
    const entries = await readdir(data, { recursive: true, withFileTypes: true });
    expect(entries.length).toBeGreaterThan(20);
    for (const entry of [...entries.map((each) => join(each.parentPath, each.name)), data, daemon.socket]) {
      const about = await stat(entry);
      const mode = about.mode & 0o777;
      expect([entry, mode]).toEqual([entry, about.isDirectory() ? 0o700 : 0o600]);
    }
  });
});
