import { readFile } from 'node:fs/promises';
import type { TlsClientProfile, TlsServerProfile } from '@receptor/netceptor';
import { describeFileError } from './config/file-error.js';
import { type ConfigItem, configError, describePosition } from './config/item.js';
import type { Settings } from './config/sections/index.js';

/** The files of a section, of which other contents can be put in force. */
export interface TlsFiles {
  /** The section's name for itself. */
  readonly name: string;
  readonly files: readonly string[];
  /** Reads them again, and has new connections use what they hold. @throws Error when that is not usable; nothing has changed then */
  renew(): Promise<void>;
}

/** What the sections `tls-server` and `tls-client` of a configuration come to, by their names. */
export interface TlsProfiles {
  readonly servers: ReadonlyMap<string, TlsServerProfile>;
  readonly clients: ReadonlyMap<string, TlsClientProfile>;
  readonly files: readonly TlsFiles[];
}

type Netceptor = typeof import('@receptor/netceptor');

/**
 * Reads and checks the certificates, keys and fingerprints of a configuration.
 * @param nodeId for which the node's own certificates have to be, unless a section says otherwise
 * @throws ReceptorError `RECEPTOR_CONFIG_INVALID` in the words of the Go daemon
 */
export async function loadTlsProfiles(items: readonly ConfigItem[], nodeId: string): Promise<TlsProfiles> {
  const servers = new Map<string, TlsServerProfile>();
  const clients = new Map<string, TlsClientProfile>();
  const files: TlsFiles[] = [];
  for (const item of items) {
    if (item.section !== 'tls-server' && item.section !== 'tls-client') continue;
    // The mesh takes a while to load, and a node without TLS may do without.
    const netceptor = await import('@receptor/netceptor');
    try {
      if (item.section === 'tls-server') {
        const { name, cert, key, clientcas } = item.settings;
        const load = () => server(netceptor, item.settings, nodeId);
        const profile = await load();
        servers.set(name, profile);
        files.push({
          name,
          files: given(cert, key, clientcas),
          renew: async () => profile.renew(await load()),
        });
      } else {
        const { name, cert, key, rootcas } = item.settings;
        const load = () => client(netceptor, item.settings, nodeId);
        const profile = await load();
        clients.set(name, profile);
        files.push({
          name,
          files: given(cert, key, rootcas),
          renew: async () => profile.renew(await load()),
        });
      }
    } catch (error) {
      const kind = item.section === 'tls-server' ? 'server' : 'client';
      const reason = error instanceof Error ? error.message : String(error);
      throw configError(`error preparing tls ${kind} config: ${reason}${describePosition(item.at)}`, error);
    }
  }
  return { servers, clients, files };
}

const given = (...files: readonly string[]): string[] => files.filter((file) => file !== '');

async function server(
  { TlsServerProfile, checkOwnNodeId }: Netceptor,
  settings: Settings<'tls-server'>,
  nodeId: string,
): Promise<TlsServerProfile> {
  const { cert, key, clientcas, skipreceptornamescheck } = settings;
  const profile = new TlsServerProfile({
    cert: await readText(cert),
    key: await readText(key),
    requireClientCert: settings.requireclientcert,
    pinnedClientCert: settings.pinnedclientcert,
    minTls13: settings.mintls13,
    ...(clientcas && { clientCas: await readAuthorities('client CAs', clientcas) }),
  });
  if (!skipreceptornamescheck) checkNames(() => checkOwnNodeId(profile, nodeId), settings);
  return profile;
}

async function client(
  { TlsClientProfile, checkOwnNodeId }: Netceptor,
  settings: Settings<'tls-client'>,
  nodeId: string,
): Promise<TlsClientProfile> {
  const { cert, key, rootcas, skipreceptornamescheck } = settings;
  const profile = new TlsClientProfile({
    ...(cert && { cert: await readText(cert), key: await readText(key) }),
    insecureSkipVerify: settings.insecureskipverify,
    pinnedServerCert: settings.pinnedservercert,
    minTls13: settings.mintls13,
    ...(rootcas && { rootCas: await readAuthorities('root CAs', rootcas) }),
  });
  if (!skipreceptornamescheck) checkNames(() => checkOwnNodeId(profile, nodeId), settings);
  return profile;
}

function checkNames(
  check: () => void,
  { name, cert }: { readonly name: string; readonly cert: string },
): void {
  try {
    check();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`${reason}; cfg section=${name}; server cert=${cert}`, { cause: error });
  }
}

async function readAuthorities(what: string, file: string): Promise<string> {
  let pem: string;
  try {
    pem = await readText(file);
  } catch (error) {
    throw new Error(`error reading ${what} file: ${error instanceof Error ? error.message : error}`, {
      cause: error,
    });
  }
  // Go goes on, and then trusts nobody.
  if (!pem.includes('-----BEGIN CERTIFICATE-----'))
    throw new Error(`error reading ${what} file: there is no certificate in ${file}`);
  return pem;
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new Error(describeFileError(file, error), { cause: error });
  }
}
