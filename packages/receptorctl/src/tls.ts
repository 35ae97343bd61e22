import { readFile } from 'node:fs/promises';
import type { TlsOptions } from '@receptor/protocol';
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

/**
 * Finds the files that the options mean (reference: control, 9); a name that the configuration lacks is passed over.
 * @throws Failure in the words of the Python client
 */
export async function tlsOptions(choice: TlsChoice): Promise<TlsOptions> {
  const { config, tlsClient, rootcas, key, cert, insecureskipverify } = choice;
  const own = { rootcas, key, cert, insecureskipverify };
  if (!config) return given(own);
  if (rootcas || key || cert) throw new Failure(1, 'Cannot specify both config and rootcas, key, cert');
  if (!tlsClient) throw new Failure(1, 'Must specify both config and tlsclient');
  const found = (await tlsClients(config)).find(({ name }) => name === tlsClient);
  return given({ ...own, ...found });
}

/** The settings that say something; an empty file name does not. */
function given(settings: Readonly<Record<string, unknown>>): TlsOptions {
  const file = (name: 'rootcas' | 'key' | 'cert') => {
    const value = settings[name];
    return typeof value === 'string' && value !== '' ? { [name]: value } : {};
  };
  return {
    ...file('rootcas'),
    ...file('key'),
    ...file('cert'),
    insecureSkipVerify: settings.insecureskipverify === true,
  };
}
