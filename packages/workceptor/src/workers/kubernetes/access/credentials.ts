import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import { type ExecCredential, type ExecLimits, runExecPlugin } from './exec-plugin.js';
import type { ClusterAccess, Material } from './kubeconfig.js';

/** What a request needs to be believed. */
export interface Credentials {
  headers: Record<string, string | string[]>;
  tls: SecureContextOptions & { rejectUnauthorized?: boolean; servername?: string };
  /** Differs when `tls` differs, so that connections made with older ones are not used again. */
  tlsId: string;
}

/** Hands out credentials, as fresh as they have to be. */
export interface CredentialSource {
  /** @throws Error that names the file or program that failed. */
  get(): Promise<Credentials>;
  /** The server did not believe them: get new ones. Returns whether there may be other ones. */
  invalidate(): boolean;
}

/** Files are read again after this time: projected service-account tokens and certificates rotate. */
const FILE_TTL = 60_000;
/** A credential this close to its end is not used. */
const LEEWAY = 10_000;

/** One of client-node's authenticators, as far as it is used here. */
interface Provider {
  applyAuthentication(user: object, options: { headers: Record<string, string> }): Promise<void>;
}

/** Loaded by name only when a kubeconfig asks: client-node as a whole costs 80 MB. */
async function loadProvider(name: string): Promise<Provider> {
  switch (name) {
    case 'oidc':
      return new (await import('@kubernetes/client-node/dist/oidc_auth.js')).OpenIDConnectAuth();
    case 'gcp':
      return new (await import('@kubernetes/client-node/dist/gcp_auth.js')).GoogleCloudPlatformAuth();
    case 'azure':
      return new (await import('@kubernetes/client-node/dist/azure_auth.js')).AzureAuth();
    default:
      throw new Error(`no Auth Provider found for name "${name}"`);
  }
}

/** What limits the getting of credentials. */
export interface CredentialSettings extends ExecLimits {
  now?: (() => number) | undefined;
}

/**
 * Credentials for an access. Nothing is sent to a server that is not HTTPS, as with client-go: who listens on
 * the way would have them.
 */
export function credentialSource(
  access: ClusterAccess,
  { now = Date.now, ...limits }: CredentialSettings = {},
): CredentialSource {
  const files = new Map<string, { content: Promise<Buffer>; readAt: number }>();
  let exec: Promise<ExecCredential> | undefined;
  let provider: Promise<Provider> | undefined;
  let checked = '';

  function readAgain(file: string): Promise<Buffer> {
    const known = files.get(file);
    if (known && now() - known.readAt < FILE_TTL) return known.content;
    const content = readFile(file);
    files.set(file, { content, readAt: now() });
    content.catch(() => files.delete(file));
    return content;
  }
  const bytes = async (material: Material | undefined): Promise<Buffer | undefined> =>
    material && ('data' in material ? material.data : await readAgain(material.file));

  async function execCredential(): Promise<ExecCredential | undefined> {
    if (!access.exec) return undefined;
    const current = exec;
    const known = await current?.catch(() => undefined);
    if (known && (known.expires === undefined || known.expires - LEEWAY > now())) return known;
    // Whoever finds it used up first runs the plugin; the others wait for that run.
    if (exec === current) exec = undefined;
    exec ??= runExecPlugin(access.exec, access, limits);
    return exec;
  }

  async function authorization(fromExec: ExecCredential | undefined): Promise<string | undefined> {
    if (fromExec?.token) return `Bearer ${fromExec.token}`;
    if (access.tokenFile) return `Bearer ${(await readAgain(access.tokenFile)).toString().trim()}`;
    if (access.token) return `Bearer ${access.token}`;
    if (access.username) {
      return `Basic ${Buffer.from(`${access.username}:${access.password ?? ''}`).toString('base64')}`;
    }
    if (access.authProvider) {
      provider ??= loadProvider(access.authProvider.name);
      const options: { headers: Record<string, string> } = { headers: {} };
      await (await provider).applyAuthentication(
        { name: 'user', authProvider: access.authProvider },
        options,
      );
      return options.headers.Authorization;
    }
    return undefined;
  }

  return {
    async get() {
      if (access.server.startsWith('http://')) return { headers: {}, tls: {}, tlsId: '' };
      const fromExec = await execCredential();
      const ca = await bytes(access.ca);
      const cert = fromExec?.cert ?? (await bytes(access.cert));
      const key = fromExec?.key ?? (await bytes(access.key));
      const tls: Credentials['tls'] = {};
      if (ca) tls.ca = ca;
      if (cert) tls.cert = cert;
      if (key) tls.key = key;
      if (access.skipTlsVerify) tls.rejectUnauthorized = false;
      if (access.tlsServerName) tls.servername = access.tlsServerName;
      const token = await authorization(fromExec);
      const hash = createHash('sha256');
      for (const part of [ca, cert, key]) hash.update(part ?? '').update('\0');
      const tlsId = hash.digest('base64');
      if (tlsId !== checked) checkMaterial(ca, cert, key);
      checked = tlsId;
      return {
        headers: { ...access.impersonate, ...(token ? { Authorization: token } : {}) },
        tls,
        tlsId,
      };
    },
    invalidate() {
      const renewable = files.size > 0 || exec !== undefined || access.authProvider !== undefined;
      files.clear();
      exec = undefined;
      provider = undefined;
      return renewable;
    },
  };
}

/** Node passes over an authority that is none, and says little of the rest. @throws Error in client-go's words */
function checkMaterial(
  ca: Buffer | undefined,
  cert: Buffer | string | undefined,
  key: Buffer | string | undefined,
): void {
  if (ca && !ca.includes('-----BEGIN CERTIFICATE-----')) {
    throw new Error('unable to load root certificates: unable to parse bytes as PEM block');
  }
  if (Boolean(cert) !== Boolean(key)) {
    throw new Error(
      `the kubeconfig has a client ${cert ? 'certificate' : 'key'}, but not its ${cert ? 'key' : 'certificate'}`,
    );
  }
  try {
    createSecureContext({ ca, cert, key });
  } catch (cause) {
    throw new Error(`tls: the client certificate or its key cannot be used: ${(cause as Error).message}`, {
      cause,
    });
  }
}
