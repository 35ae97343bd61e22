import { spawn } from 'node:child_process';
import { errorText } from '../../../error-text.js';
import type { ClusterAccess, ExecPlugin } from './kubeconfig.js';

/** What a credential plugin handed out. */
export interface ExecCredential {
  token?: string;
  cert?: string;
  key?: string;
  /** Milliseconds since the epoch; absent when the credential is good for the life of this process. */
  expires?: number;
}

const OUTPUT_LIMIT = 1 << 20;
const TIME_LIMIT = 60_000;
const STDERR_LIMIT = 1000;

/** The `KUBERNETES_EXEC_INFO` a plugin may read. */
function execInfo(plugin: ExecPlugin, access: ClusterAccess): string {
  const cluster = plugin.provideClusterInfo
    ? {
        cluster: {
          server: access.server,
          ...(access.tlsServerName ? { 'tls-server-name': access.tlsServerName } : {}),
          ...(access.skipTlsVerify ? { 'insecure-skip-tls-verify': true } : {}),
          ...(access.ca && 'data' in access.ca
            ? { 'certificate-authority-data': access.ca.data.toString('base64') }
            : {}),
          config: null,
        },
      }
    : {};
  return JSON.stringify({
    kind: 'ExecCredential',
    apiVersion: plugin.apiVersion,
    spec: { ...cluster, interactive: false },
  });
}

function readCredential(output: string): ExecCredential {
  let parsed: { status?: Record<string, unknown> } | null;
  try {
    parsed = JSON.parse(output) as { status?: Record<string, unknown> } | null;
  } catch {
    throw new Error('its output is not JSON');
  }
  const status = parsed?.status;
  if (typeof status !== 'object' || status === null) throw new Error('it did not return a status field');
  const member = (name: string): string => (typeof status[name] === 'string' ? (status[name] as string) : '');
  const credential: ExecCredential = {};
  if (member('token')) credential.token = member('token');
  if (member('clientCertificateData')) credential.cert = member('clientCertificateData');
  if (member('clientKeyData')) credential.key = member('clientKeyData');
  if (!credential.token && !(credential.cert && credential.key)) {
    throw new Error('it did not return a token or cert/key pair');
  }
  const expires = Date.parse(member('expirationTimestamp'));
  if (!Number.isNaN(expires)) credential.expires = expires;
  return credential;
}

/** How long a plugin may take, and what ends it early. */
export interface ExecLimits {
  timeoutMs?: number;
  signal?: AbortSignal;
}

/**
 * Runs a credential plugin and reads what it prints. What it says on stderr goes into the error, cut short and without the
 * values that the kubeconfig gave it.
 */
export async function runExecPlugin(
  plugin: ExecPlugin,
  access: ClusterAccess,
  { timeoutMs = TIME_LIMIT, signal }: ExecLimits = {},
): Promise<ExecCredential> {
  const hint = plugin.installHint ? `\n${plugin.installHint}` : '';
  const fail = (why: string, cause?: unknown): Error =>
    new Error(`getting credentials: exec: executable ${plugin.command} ${why}${hint}`, { cause });
  const env: NodeJS.ProcessEnv = { ...process.env };
  for (const { name, value } of plugin.env) env[name] = value;
  env.KUBERNETES_EXEC_INFO = execInfo(plugin, access);
  const output = await new Promise<string>((resolve, reject) => {
    // A group of its own, so that what it has started ends with it.
    const child = spawn(plugin.command, plugin.args, {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    const chunks: Buffer[] = [];
    let size = 0;
    let stderr = '';
    const settle = (error?: Error): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
      if (error) reject(error);
      else resolve(Buffer.concat(chunks).toString());
    };
    const end = (error: Error): void => {
      settle(error);
      if (child.pid !== undefined) killGroup(child.pid);
      child.stdout.destroy();
      child.stderr.destroy();
    };
    const timer = setTimeout(() => end(fail(`did not end within ${timeoutMs / 1000} s`)), timeoutMs);
    const abort = (): void => end(fail('was interrupted'));
    child.stdout.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > OUTPUT_LIMIT) end(fail('printed too much'));
      else chunks.push(chunk);
    });
    child.stderr.on('data', (chunk: Buffer) => {
      if (stderr.length < STDERR_LIMIT) stderr += chunk.toString();
    });
    child.on('error', (error: NodeJS.ErrnoException) => {
      settle(fail(error.code === 'ENOENT' ? 'not found' : `cannot be run: ${errorText(error)}`, error));
    });
    child.on('close', (code, by) => {
      if (code === 0) return settle();
      const said = withoutValues(stderr.trim().slice(0, STDERR_LIMIT), plugin);
      const how = by ? `was ended by ${by}` : `failed with exit code ${code}`;
      settle(fail(said === '' ? how : `${how}: ${said}`));
    });
    if (signal?.aborted) abort();
    else signal?.addEventListener('abort', abort, { once: true });
  });
  try {
    return readCredential(output);
  } catch (error) {
    throw fail(`is of no use: ${(error as Error).message}`);
  }
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}

function withoutValues(text: string, { args, env }: ExecPlugin): string {
  const values = [...args, ...env.map(({ value }) => value)];
  const words = values.flatMap((value) => value.split(/[\s=:]+/)).filter((word) => word.length > 7);
  const hidden = [...values.filter((value) => value.length > 3), ...words];
  return hidden.reduce((rest, value) => rest.replaceAll(value, '…'), text);
}
