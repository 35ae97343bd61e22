import { spawn } from 'node:child_process';
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

function readCredential(output: string, plugin: ExecPlugin): ExecCredential {
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
  if (plugin.apiVersion === '') throw new Error('it has no apiVersion');
  return credential;
}

/** Runs a credential plugin and reads what it prints. What it says on stderr goes into the error, cut short. */
export async function runExecPlugin(plugin: ExecPlugin, access: ClusterAccess): Promise<ExecCredential> {
  const fail = (why: string, cause?: unknown): Error =>
    new Error(
      `getting credentials: exec: ${plugin.command}: ${why}${plugin.installHint ? `\n${plugin.installHint}` : ''}`,
      { cause },
    );
  const env: NodeJS.ProcessEnv = { ...process.env };
  for (const { name, value } of plugin.env) env[name] = value;
  env.KUBERNETES_EXEC_INFO = execInfo(plugin, access);
  const output = await new Promise<string>((resolve, reject) => {
    const child = spawn(plugin.command, plugin.args, {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: TIME_LIMIT,
    });
    const chunks: Buffer[] = [];
    let size = 0;
    let stderr = '';
    child.stdout.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > OUTPUT_LIMIT) child.kill('SIGKILL');
      else chunks.push(chunk);
    });
    child.stderr.on('data', (chunk: Buffer) => {
      if (stderr.length < 1000) stderr += chunk.toString();
    });
    child.on('error', (error) => reject(fail(error.message, error)));
    child.on('close', (code, signal) => {
      if (size > OUTPUT_LIMIT) reject(fail('its output is too long'));
      else if (code === 0) resolve(Buffer.concat(chunks).toString());
      else {
        const how = signal ? `ended by ${signal}` : `exit code ${code}`;
        reject(fail(`${how}${stderr.trim() ? `: ${stderr.trim().slice(0, 1000)}` : ''}`));
      }
    });
  });
  try {
    return readCredential(output, plugin);
  } catch (error) {
    throw fail((error as Error).message);
  }
}
