import { isAbsolute, join } from 'node:path';
import { ReceptorError } from '@receptor/protocol';
import { readYaml } from '../yaml.js';
import { checkProxy } from './proxy.js';

/** Bytes that stand in the kubeconfig itself or in a file it names; a file is read anew when it is needed. */
export type Material = { data: Buffer } | { file: string };

/** A program that hands out credentials (`exec` of a kubeconfig's user). */
export interface ExecPlugin {
  apiVersion: string;
  command: string;
  args: string[];
  env: { name: string; value: string }[];
  provideClusterInfo: boolean;
  installHint: string;
}

/** How one context of a kubeconfig reaches its cluster. */
export interface ClusterAccess {
  /** With its scheme and path, without a slash at the end. */
  server: string;
  ca?: Material;
  skipTlsVerify: boolean;
  tlsServerName?: string;
  proxyUrl?: string;
  /** The namespace of the context, where it names one. */
  namespace?: string;
  cert?: Material;
  key?: Material;
  token?: string;
  tokenFile?: string;
  username?: string;
  password?: string;
  impersonate: Record<string, string | string[]>;
  exec?: ExecPlugin;
  /** One of client-node's providers: `oidc`, `gcp`, `azure`. */
  authProvider?: { name: string; config: Record<string, string> };
}

type Named = Record<string, Fields>;
type Fields = Record<string, unknown>;

/** A kubeconfig, read but with no context chosen; file names in it are absolute where a directory was given. */
export interface Kubeconfig {
  clusters: Named;
  users: Named;
  contexts: Named;
  currentContext: string;
}

const invalid = (text: string): ReceptorError => new ReceptorError('RECEPTOR_WORK_START_FAILED', text);

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const text = (value: unknown): string => (typeof value === 'string' ? value : '');

/** `clusters: [{name, cluster: {…}}]` and its like, by name. The first of a name wins, as in client-go. */
function named(list: unknown, what: string, member: string): Named {
  if (list === undefined || list === null) return {};
  if (!Array.isArray(list)) throw invalid(`invalid configuration: ${what} is not a list`);
  const result: Named = Object.create(null) as Named;
  for (const [index, entry] of list.entries()) {
    if (!isFields(entry) || text(entry.name) === '') {
      throw invalid(`invalid configuration: ${what}[${index}].name is missing`);
    }
    const body = entry[member];
    if (body !== undefined && body !== null && !isFields(body)) {
      throw invalid(`invalid configuration: ${what}[${index}].${member} is not an object`);
    }
    result[text(entry.name)] ??= body ?? {};
  }
  return result;
}

const FILE_MEMBERS = ['certificate-authority', 'client-certificate', 'client-key', 'tokenFile'];

/** File names of a kubeconfig count from its own directory; so does a plugin's path, unless it is a bare name. */
function makeAbsolute(config: Kubeconfig, directory: string): void {
  for (const fields of [...Object.values(config.clusters), ...Object.values(config.users)]) {
    for (const member of FILE_MEMBERS) {
      const file = text(fields[member]);
      if (file !== '' && !isAbsolute(file)) fields[member] = join(directory, file);
    }
    const exec = fields.exec;
    if (isFields(exec) && text(exec.command).includes('/') && !isAbsolute(text(exec.command))) {
      exec.command = join(directory, text(exec.command));
    }
  }
}

/**
 * Reads a kubeconfig, YAML or JSON.
 * @param source its text
 * @param directory where it stands; file names in it are taken from there. Without, they are left as they are.
 * @throws ReceptorError `RECEPTOR_WORK_START_FAILED` when it is no kubeconfig; the text is never quoted.
 */
export function parseKubeconfig(source: string, directory?: string): Kubeconfig {
  const reading = readYaml(source);
  if ('error' in reading) throw invalid(reading.error);
  const root = reading.value;
  if (root !== null && !isFields(root))
    throw invalid('invalid configuration: the kubeconfig is not an object');
  const config: Kubeconfig = {
    clusters: named(root?.clusters, 'clusters', 'cluster'),
    users: named(root?.users, 'users', 'user'),
    contexts: named(root?.contexts, 'contexts', 'context'),
    currentContext: text(root?.['current-context']),
  };
  if (directory !== undefined) makeAbsolute(config, directory);
  return config;
}

/** Joins kubeconfigs as `KUBECONFIG=a:b` does: of each name, and of the current context, the first counts. */
export function mergeKubeconfigs(configs: readonly Kubeconfig[]): Kubeconfig {
  const merged: Kubeconfig = { clusters: {}, users: {}, contexts: {}, currentContext: '' };
  for (const config of configs) {
    merged.clusters = { ...config.clusters, ...merged.clusters };
    merged.users = { ...config.users, ...merged.users };
    merged.contexts = { ...config.contexts, ...merged.contexts };
    merged.currentContext ||= config.currentContext;
  }
  return merged;
}

/** Inline data wins over a file, as in client-go. */
function material(fields: Fields, member: string): Material | undefined {
  const data = text(fields[`${member}-data`]);
  if (data !== '') return { data: Buffer.from(data, 'base64') };
  const file = text(fields[member]);
  return file === '' ? undefined : { file };
}

function execPlugin(fields: Fields, user: string): ExecPlugin | undefined {
  const exec = fields.exec;
  if (!isFields(exec)) return undefined;
  if (text(exec.command) === '') {
    throw invalid(
      `invalid configuration: command must be specified for ${user} to use exec authentication plugin`,
    );
  }
  if (text(exec.apiVersion) === '') {
    throw invalid(
      `invalid configuration: apiVersion must be specified for ${user} to use exec authentication plugin`,
    );
  }
  const env = Array.isArray(exec.env) ? exec.env.filter(isFields) : [];
  return {
    apiVersion: text(exec.apiVersion),
    command: text(exec.command),
    args: Array.isArray(exec.args) ? exec.args.map(String) : [],
    env: env.map((entry) => ({ name: text(entry.name), value: String(entry.value ?? '') })),
    provideClusterInfo: exec.provideClusterInfo === true,
    installHint: text(exec.installHint),
  };
}

function impersonation(user: Fields): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = {};
  if (text(user.as)) headers['Impersonate-User'] = text(user.as);
  if (text(user['as-uid'])) headers['Impersonate-Uid'] = text(user['as-uid']);
  const groups = user['as-groups'];
  if (Array.isArray(groups) && groups.length > 0) headers['Impersonate-Group'] = groups.map(String);
  const extra = user['as-user-extra'];
  if (isFields(extra)) {
    for (const [key, values] of Object.entries(extra)) {
      headers[`Impersonate-Extra-${encodeURIComponent(key)}`] = Array.isArray(values)
        ? values.map(String)
        : String(values);
    }
  }
  return headers;
}

function authProvider(user: Fields): { name: string; config: Record<string, string> } | undefined {
  const provider = user['auth-provider'];
  if (!isFields(provider)) return undefined;
  const config = isFields(provider.config) ? provider.config : {};
  return {
    name: text(provider.name),
    config: Object.fromEntries(Object.entries(config).map(([k, v]) => [k, String(v)])),
  };
}

/** A server without a scheme is HTTPS where anything says TLS, as in client-go. */
function serverUrl(server: string, tls: boolean): string {
  const url = server.includes('://') ? server : `${tls ? 'https' : 'http'}://${server}`;
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch {
    throw invalid(`invalid configuration: the server ${JSON.stringify(server)} is not a URL`);
  }
  if (parsed.protocol !== 'https:' && parsed.protocol !== 'http:') {
    throw invalid(`invalid configuration: the server ${JSON.stringify(server)} is neither http nor https`);
  }
  return `${parsed.protocol}//${parsed.host}${parsed.pathname.replace(/\/+$/, '')}`;
}

/**
 * What the current context of a kubeconfig says about its cluster, user and namespace.
 * @throws ReceptorError `RECEPTOR_WORK_START_FAILED` with client-go's words when it cannot be used.
 */
export function currentAccess(config: Kubeconfig): ClusterAccess {
  const name = config.currentContext;
  const context = config.contexts[name];
  if (name !== '' && !context) throw invalid(`context was not found for specified context: ${name}`);
  const clusterName = text(context?.cluster);
  const userName = text(context?.user);
  const cluster = config.clusters[clusterName];
  const user = config.users[userName] ?? {};
  if (!cluster || Object.keys(cluster).length === 0) {
    throw invalid(
      'invalid configuration: no configuration has been provided, try setting KUBERNETES_MASTER environment variable',
    );
  }
  if (text(cluster.server) === '') {
    throw invalid(`invalid configuration: no server found for cluster "${clusterName}"`);
  }
  if (userName !== '' && !config.users[userName]) {
    throw invalid(`invalid configuration: user "${userName}" was not found for context "${name}"`);
  }
  const ca = material(cluster, 'certificate-authority');
  const cert = material(user, 'client-certificate');
  const key = material(user, 'client-key');
  const exec = execPlugin(user, userName);
  const provider = authProvider(user);
  const access: ClusterAccess = {
    server: serverUrl(
      text(cluster.server),
      Boolean(ca || cert || key) || cluster['insecure-skip-tls-verify'] === true,
    ),
    skipTlsVerify: cluster['insecure-skip-tls-verify'] === true,
    impersonate: impersonation(user),
  };
  if (ca) access.ca = ca;
  if (cert) access.cert = cert;
  if (key) access.key = key;
  if (exec) access.exec = exec;
  if (provider) access.authProvider = provider;
  if (text(cluster['tls-server-name'])) access.tlsServerName = text(cluster['tls-server-name']);
  if (text(cluster['proxy-url']))
    access.proxyUrl = checkProxy(text(cluster['proxy-url']), `cluster "${clusterName}"`);
  if (text(context?.namespace)) access.namespace = text(context?.namespace);
  if (text(user.token)) access.token = text(user.token);
  if (text(user.tokenFile)) access.tokenFile = text(user.tokenFile);
  if (text(user.username)) access.username = text(user.username);
  if (text(user.password)) access.password = text(user.password);
  return access;
}

/**
 * What using an access would make this process do beyond talking to the cluster: the members of its kubeconfig
 * that name files to read or programs to run. Empty where there are none.
 */
export function localReach(access: ClusterAccess): string[] {
  const reach: string[] = [];
  if (access.ca && 'file' in access.ca) reach.push('certificate-authority');
  if (access.cert && 'file' in access.cert) reach.push('client-certificate');
  if (access.key && 'file' in access.key) reach.push('client-key');
  if (access.tokenFile) reach.push('tokenFile');
  if (access.exec) reach.push('exec');
  if (access.authProvider) reach.push('auth-provider');
  return reach;
}
