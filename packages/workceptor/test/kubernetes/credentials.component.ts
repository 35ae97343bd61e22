import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { currentAccess, parseKubeconfig } from '../../src/workers/kubernetes/access/kubeconfig.js';
import { createClient } from '../../src/workers/kubernetes/client.js';
import { podOf, submitFrom, useBench } from '../support/kubernetes.js';
import { processesNaming } from '../support/leaks.js';
import { completed, output, until } from '../support/node.js';

const bench = useBench();
const FAST = { RECEPTOR_KUBE_TIMEOUT_START: '5ms' };
const HELLO = { secret_kube_pod: podOf('echo hello') };

/** The cluster's kubeconfig, with another user. */
function kubeconfigOf(user: object, cluster: object = {}): string {
  const config = parse(bench.cluster.kubeconfig());
  config.users[0].user = user;
  Object.assign(config.clusters[0].cluster, cluster);
  return stringify(config);
}
const token = (): string => parse(bench.cluster.kubeconfig({ auth: 'token' })).users[0].user.token;

/** A credential plugin: a shell script; its path. */
function plugin(script: string, name = 'plugin'): string {
  const path = join(bench.dataDir, name);
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o700);
  return path;
}
const exec = (command: string, more: object = {}) => ({
  exec: { apiVersion: 'client.authentication.k8s.io/v1', command, interactiveMode: 'Never', ...more },
});
const credential = (status: object) =>
  JSON.stringify({ apiVersion: 'client.authentication.k8s.io/v1', kind: 'ExecCredential', status });

async function run(kubeconfig: string, options: object = {}) {
  const node = await bench.open({ env: FAST, ...options });
  const id = await bench.submit(node, { secret_kube_config: kubeconfig, ...HELLO });
  const { StateName, Detail } = await completed(node, id);
  return { StateName, Detail, stdout: await output(node, id) };
}

describe('a kubeconfig authenticates', () => {
  it.each([
    ['by certificates in it', () => bench.cluster.kubeconfig()],
    ['by certificates that it names by path', () => bench.cluster.kubeconfig({ directory: bench.dataDir })],
    ['by a token', () => bench.cluster.kubeconfig({ auth: 'token' })],
    ['without checking the server, if it says so', () => bench.cluster.kubeconfig({ insecure: true })],
    [
      'by the file of a token',
      () => {
        const tokenFile = join(bench.dataDir, 'token');
        writeFileSync(tokenFile, `${token()}\n`);
        return kubeconfigOf({ tokenFile });
      },
    ],
    ['by a plugin', () => kubeconfigOf(exec(plugin(`echo '${credential({ token: token() })}'`)))],
    [
      'by a plugin that hands out certificates',
      () => {
        const { user } = parse(bench.cluster.kubeconfig()).users[0];
        const pem = (member: string) => Buffer.from(user[member], 'base64').toString();
        const status = {
          clientCertificateData: pem('client-certificate-data'),
          clientKeyData: pem('client-key-data'),
        };
        writeFileSync(join(bench.dataDir, 'credential'), credential(status));
        return kubeconfigOf(exec(plugin(`cat ${join(bench.dataDir, 'credential')}`)));
      },
    ],
  ])('%s', async (_, kubeconfig) => {
    expect(await run(kubeconfig())).toEqual({
      StateName: 'Succeeded',
      Detail: 'Finished',
      stdout: 'hello\n',
    });
  });

  it('by files and a plugin whose paths count from where the kubeconfig stands', async () => {
    const directory = join(bench.dataDir, 'elsewhere');
    const config = parse(bench.cluster.kubeconfig({ directory }));
    const cluster = config.clusters[0].cluster;
    cluster['certificate-authority'] = 'ca.crt';
    mkdirSync(join(directory, 'bin'));
    writeFileSync(join(directory, 'bin', 'plugin'), `#!/bin/sh\necho '${credential({ token: token() })}'\n`, {
      mode: 0o700,
    });
    config.users[0].user = exec('bin/plugin');
    const file = join(directory, 'config');
    writeFileSync(file, stringify(config));
    const node = await bench.open({ env: FAST, kubeConfig: file });
    const id = await submitFrom('unix', node, HELLO);
    expect(await completed(node, id)).toMatchObject({ Detail: 'Finished' });
    expect(await output(node, id)).toBe('hello\n');
  });

  it('through a plugin that is told of the cluster, its arguments and environment', async () => {
    const seen = join(bench.dataDir, 'seen');
    const path = plugin(
      `echo "$1 $MINE" > ${seen}; echo "$KUBERNETES_EXEC_INFO" >> ${seen}; echo '${credential({ token: token() })}'`,
    );
    const more = { args: ['first'], env: [{ name: 'MINE', value: 'own' }], provideClusterInfo: true };
    await run(kubeconfigOf(exec(path, more)));
    const [words, info = ''] = readFileSync(seen, 'utf8').split('\n');
    expect(words).toBe('first own');
    expect(JSON.parse(info)).toMatchObject({
      kind: 'ExecCredential',
      spec: { interactive: false, cluster: { server: bench.cluster.url } },
    });
  });
});

describe('a credential plugin', () => {
  const detail = async (user: object) => (await run(kubeconfigOf(user))).Detail;

  it('that is missing is named, with the hint of the kubeconfig', async () => {
    expect(await detail(exec('no-such-plugin', { installHint: 'Install it first.' }))).toBe(
      'Error creating pod: getting credentials: exec: executable no-such-plugin not found\nInstall it first.',
    );
  });

  it('that fails is named, with what it said, but not with the values it was given', async () => {
    const path = plugin('echo "cannot log in with $PASSWORD" >&2; exit 3');
    expect(await detail(exec(path, { env: [{ name: 'PASSWORD', value: 'hunter22' }] }))).toBe(
      `Error creating pod: getting credentials: exec: executable ${path} failed with exit code 3: cannot log in with …`,
    );
  });

  it.each([
    ['prints no JSON', 'echo hello', 'its output is not JSON'],
    ['has no status', 'echo "{}"', 'it did not return a status field'],
    ['has an empty status', `echo '{"status": {}}'`, 'it did not return a token or cert/key pair'],
  ])('that %s is of no use', async (_, script, why) => {
    expect(await detail(exec(plugin(script)))).toContain(`is of no use: ${why}`);
  });

  it('that prints without end is ended', async () => {
    expect(await detail(exec(plugin('exec yes')))).toContain('printed too much');
  });

  it('that hangs is ended, with all that it has started', async () => {
    const path = plugin('sleep 4321 & trap "" TERM; wait; sleep 4321');
    const client = createClient(currentAccess(parseKubeconfig(kubeconfigOf(exec(path)))), {
      pluginTimeoutMs: 200,
    });
    await expect(client.json({ path: '/version' })).rejects.toThrow(
      `getting credentials: exec: executable ${path} did not end within 0.2 s`,
    );
    await until(() => processesNaming('sleep\u00004321').length === 0);
    client.close();
  });

  it('that runs when the node closes is ended', async () => {
    const started = join(bench.dataDir, 'started');
    const path = plugin(`touch ${started}; sleep 4322`);
    const node = await bench.open({ env: FAST });
    await bench.submit(node, { secret_kube_config: kubeconfigOf(exec(path)), ...HELLO });
    await until(() => existsSync(started) && processesNaming('sleep\u00004322').length > 0);
    await bench.close(node);
    await until(() => processesNaming('sleep\u00004322').length === 0);
  });

  it('is run again before its credential expires, and not before', async () => {
    const count = join(bench.dataDir, 'count');
    const status = { token: token(), expirationTimestamp: '2026-01-01T00:10:00Z' };
    const path = plugin(`echo run >> ${count}; echo '${credential(status)}'`);
    let now = Date.parse('2026-01-01T00:00:00Z');
    const client = createClient(currentAccess(parseKubeconfig(kubeconfigOf(exec(path)))), { now: () => now });
    const runs = async (): Promise<number> => {
      await Promise.all([client.json({ path: '/version' }), client.json({ path: '/version' })]);
      return readFileSync(count, 'utf8').split('\n').length - 1;
    };
    expect(await runs()).toBe(1);
    now += 9 * 60_000;
    expect(await runs()).toBe(1);
    now += 55_000;
    expect(await runs()).toBe(2);
    client.close();
  });

  it('is run again when the server does not accept what it had handed out', async () => {
    const first = join(bench.dataDir, 'first');
    const stale = credential({ token: 'stale' });
    const path = plugin(
      `if [ -e ${first} ]; then echo '${credential({ token: token() })}'; else touch ${first}; echo '${stale}'; fi`,
    );
    expect(await run(kubeconfigOf(exec(path)))).toMatchObject({ StateName: 'Succeeded', stdout: 'hello\n' });
  });

  it('is asked only once for new credentials when the server accepts none of them', async () => {
    const count = join(bench.dataDir, 'count');
    const path = plugin(`echo run >> ${count}; echo '${credential({ token: 'never' })}'`);
    const client = createClient(currentAccess(parseKubeconfig(kubeconfigOf(exec(path)))));
    await expect(client.json({ path: '/version' })).rejects.toMatchObject({ status: 401 });
    expect(readFileSync(count, 'utf8')).toBe('run\nrun\n');
    client.close();
  });
});

describe('a kubeconfig from afar', () => {
  const reaching: [string, () => string, string][] = [
    ['a plugin', () => kubeconfigOf(exec('true')), 'exec'],
    [
      'certificates by path',
      () => bench.cluster.kubeconfig({ directory: bench.dataDir }),
      'certificate-authority, client-certificate, client-key',
    ],
    ['the file of a token', () => kubeconfigOf({ tokenFile: '/etc/passwd' }), 'tokenFile'],
    [
      'an auth provider',
      () => kubeconfigOf({ 'auth-provider': { name: 'gcp', config: {} } }),
      'auth-provider',
    ],
  ];

  it.each(
    reaching.flatMap(([what, kubeconfig, members]) =>
      (['tcp', 'mesh'] as const).map((origin) => ({ what, kubeconfig, members, origin })),
    ),
  )('that names $what is refused over $origin', async ({ kubeconfig, members, origin }) => {
    const node = await bench.open({ env: FAST });
    await expect(
      submitFrom(origin, node, { secret_kube_config: kubeconfig(), ...HELLO }),
    ).rejects.toMatchObject({
      code: 'RECEPTOR_PARAMETER_NOT_ALLOWED',
      message:
        `secret_kube_config names files or programs of this node (${members}), which is not allowed over ` +
        `${origin === 'tcp' ? 'TCP' : 'the mesh'} without allowruntimekubeconfigfiles; put the certificates and the token into the kubeconfig itself`,
    });
    expect(node.list()).toEqual({});
  });

  it.each(['tcp', 'mesh'] as const)('that brings its certificates along is taken over %s', async (origin) => {
    const node = await bench.open({ env: FAST });
    const id = await submitFrom(origin, node, { secret_kube_config: bench.cluster.kubeconfig(), ...HELLO });
    expect(await completed(node, id)).toMatchObject({ Detail: 'Finished' });
  });

  it('may name files and programs where the work type allows it', async () => {
    const node = await bench.open({ env: FAST, allowRuntimeKubeConfigFiles: true });
    const path = plugin(`echo '${credential({ token: token() })}'`);
    const id = await submitFrom('mesh', node, { secret_kube_config: kubeconfigOf(exec(path)), ...HELLO });
    expect(await completed(node, id)).toMatchObject({ Detail: 'Finished' });
  });

  it('that hides its plugin in a context that is not the current one does no harm', async () => {
    const node = await bench.open({ env: FAST });
    const config = parse(bench.cluster.kubeconfig());
    config.users.push({ name: 'other', user: exec(plugin(`touch ${join(bench.dataDir, 'harm')}`)) });
    const id = await submitFrom('mesh', node, { secret_kube_config: stringify(config), ...HELLO });
    expect(await completed(node, id)).toMatchObject({ Detail: 'Finished' });
    expect(existsSync(join(bench.dataDir, 'harm'))).toBe(false);
  });
});

describe('authmethod incluster', () => {
  /** The service account's files, as a pod has them. */
  function serviceAccount(namespace = 'default'): string {
    const directory = join(bench.dataDir, 'serviceaccount');
    mkdirSync(directory);
    const { cluster } = parse(bench.cluster.kubeconfig()).clusters[0];
    writeFileSync(join(directory, 'ca.crt'), Buffer.from(cluster['certificate-authority-data'], 'base64'));
    writeFileSync(join(directory, 'token'), token());
    writeFileSync(join(directory, 'namespace'), namespace);
    return directory;
  }
  const { hostname, port } = { hostname: '127.0.0.1', port: () => new URL(bench.cluster.url).port };
  const env = () => ({ ...FAST, KUBERNETES_SERVICE_HOST: hostname, KUBERNETES_SERVICE_PORT: port() });

  it('works with the files of the service account', async () => {
    const node = await bench.open({
      authMethod: 'incluster',
      namespace: 'default',
      env: env(),
      serviceAccount: serviceAccount(),
    });
    const id = await submitFrom('unix', node, HELLO);
    expect(await completed(node, id)).toMatchObject({ Detail: 'Finished' });
    const create = bench.cluster.requests.filter(({ operation }) => operation === 'create').at(-1);
    expect(create?.user).toBe('system:serviceaccount:default:tester');
  });

  it('takes the namespace of the service account where none is configured', async () => {
    bench.cluster.addNamespace('own');
    const node = await bench.open({
      authMethod: 'incluster',
      env: env(),
      serviceAccount: serviceAccount('own'),
    });
    const id = await submitFrom('unix', node, HELLO);
    expect((await completed(node, id)).ExtraData).toMatchObject({ KubeNamespace: 'own' });
  });

  it('reads a token anew that was renewed', async () => {
    const directory = serviceAccount();
    writeFileSync(join(directory, 'token'), 'outdated');
    const node = await bench.open({
      authMethod: 'incluster',
      namespace: 'default',
      env: env(),
      serviceAccount: directory,
    });
    const first = await submitFrom('unix', node, HELLO);
    expect((await completed(node, first)).Detail).toMatch(/^Error creating pod: Unauthorized/);
    writeFileSync(join(directory, 'token'), token());
    const second = await submitFrom('unix', node, HELLO);
    expect(await completed(node, second)).toMatchObject({ Detail: 'Finished' });
  });

  it('says which file is missing', async () => {
    const directory = join(bench.dataDir, 'nosuch');
    const node = await bench.open({
      authMethod: 'incluster',
      namespace: 'default',
      env: env(),
      serviceAccount: directory,
    });
    await expect(submitFrom('unix', node, HELLO)).rejects.toThrow(
      `open ${join(directory, 'token')}: no such file or directory`,
    );
  });

  it('has no use for a kubeconfig: what a submit sends is not looked at', async () => {
    const node = await bench.open({
      authMethod: 'incluster',
      namespace: 'default',
      env: env(),
      serviceAccount: serviceAccount(),
    });
    const id = await submitFrom('unix', node, { secret_kube_config: 'a: [b', ...HELLO });
    expect(await completed(node, id)).toMatchObject({ Detail: 'Finished' });
  });
});

it('authmethod runtime takes the kubeconfig of the submit', async () => {
  expect(await run(bench.cluster.kubeconfig(), { authMethod: 'RunTime' })).toMatchObject({
    stdout: 'hello\n',
  });
});

it('a kubeconfig over plain HTTP sends no credentials', async () => {
  const { createServer } = await import('node:http');
  const seen: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    seen.push(request.headers.authorization);
    response.end('{}');
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const address = server.address() as { port: number };
  const kubeconfig = kubeconfigOf({ token: 'secret' }, { server: `http://127.0.0.1:${address.port}` });
  const client = createClient(currentAccess(parseKubeconfig(kubeconfig)));
  await client.json({ path: '/version' });
  client.close();
  server.close();
  expect(seen).toEqual([undefined]);
});
