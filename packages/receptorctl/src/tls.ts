import { readFile } from 'node:fs/promises';
import { parseAddress } from '@receptor/protocol';
import type { ClientTls } from './client/index.js';
import { pythonFileError } from './errno.js';
import { Failure } from './failure.js';

/** What the options say about TLS: files of the client's own, or an item of a daemon's configuration. */
export interface TlsChoice {
  readonly config: string | undefined;
  readonly tlsClient: string | undefined;
  readonly rootcas: string | undefined;
  readonly key: string | undefined;
  readonly cert: string | undefined;
  readonly insecureskipverify: boolean;
}

/** The files to use for TLS. */
interface TlsFiles {
  readonly rootcas: string | undefined;
  readonly key: string | undefined;
  readonly cert: string | undefined;
  /** Turns off the check of the host's name; the chain is verified all the same. */
  readonly insecureskipverify: boolean;
}

/** Reads the `tls-client` items of a configuration file in list form. */
async function tlsClients(path: string): Promise<Array<Record<string, unknown>>> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new Failure(1, pythonFileError(cause, path), { cause });
  });
  const { parse } = await import('yaml');
  let items: unknown;
  try {
    items = parse(text, { version: '1.1' });
  } catch (cause) {
    throw new Failure(1, `${path}: ${cause instanceof Error ? cause.message : cause}`, { cause });
  }
  if (!Array.isArray(items)) {
    throw new Failure(1, `${path}: only the list form of the configuration file can be read`);
  }
  return items.flatMap((item) => {
    const client = typeof item === 'object' && item !== null ? item['tls-client'] : undefined;
    return typeof client === 'object' && client !== null ? [client] : [];
  });
}

/** Finds the files that the options mean (reference: control, 9); a name that the configuration lacks is passed over. */
async function tlsFiles(choice: TlsChoice): Promise<TlsFiles> {
  const { config, tlsClient, rootcas, key, cert, insecureskipverify } = choice;
  const own = { rootcas, key, cert, insecureskipverify };
  if (!config) return own;
  if (rootcas || key || cert) throw new Failure(1, 'Cannot specify both config and rootcas, key, cert');
  if (!tlsClient) throw new Failure(1, 'Must specify both config and tlsclient');
  const found = (await tlsClients(config)).find(({ name }) => name === tlsClient);
  const file = (value: unknown) => (typeof value === 'string' ? value : undefined);
  if (!found) return own;
  return {
    rootcas: file(found.rootcas),
    key: file(found.key),
    cert: file(found.cert),
    insecureskipverify: (found.insecureskipverify ?? insecureskipverify) === true,
  };
}

/**
 * What the options say about TLS, with the files read if the address needs them.
 * @throws Failure in the words of the Python client, for which a file that cannot be read is a failed connection
 */
export async function clientTls(choice: TlsChoice, address: string): Promise<ClientTls> {
  const files = await tlsFiles(choice);
  const parsed = parseAddress(address);
  if (parsed.kind !== 'tls') return {};
  const read = async (path: string | undefined) => (path ? await readFile(path) : undefined);
  try {
    const [ca, key, cert] = [await read(files.rootcas), await read(files.key), await read(files.cert)];
    return {
      checkHostname: !files.insecureskipverify,
      ...(ca && { ca }),
      ...(key && { key }),
      ...(cert && { cert }),
    };
  } catch (cause) {
    throw new Failure(1, `Could not connect to host ${parsed.host} port ${parsed.port}`, { cause });
  }
}
