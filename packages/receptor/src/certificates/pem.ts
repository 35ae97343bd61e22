import { createPrivateKey, type KeyObject } from 'node:crypto';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { Pkcs10CertificateRequest, X509Certificate } from '@peculiar/x509';
import { describeFileError } from '../config/file-error.js';
import { configError } from '../config/item.js';

const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----\r?\n([\s\S]*?)-----END \1-----/g;
const KNOWN = ['CERTIFICATE', 'CERTIFICATE REQUEST', 'RSA PRIVATE KEY', 'PRIVATE KEY', 'PUBLIC KEY'];

interface PemBlock {
  readonly type: string;
  readonly text: string;
  readonly der: Buffer;
}

/** The blocks of a file. @throws ReceptorError `RECEPTOR_CONFIG_INVALID` in the words of the Go daemon */
async function readBlocks(file: string): Promise<PemBlock[]> {
  let content: string;
  try {
    content = await readFile(file, 'utf8');
  } catch (error) {
    throw configError(describeFileError(file, error), error);
  }
  const blocks = [...content.matchAll(BLOCK)].map(([text, type = '', body = '']) => ({
    type,
    text,
    der: Buffer.from(body, 'base64'),
  }));
  if (blocks.length === 0) throw configError(`failed to decode PEM block: there is none in ${file}`);
  const unknown = blocks.find(({ type }) => !KNOWN.includes(type));
  if (unknown) throw configError(`unknown block type ${unknown.type}`);
  return blocks;
}

async function readOnly(file: string, what: string, types: readonly string[]): Promise<PemBlock> {
  const [block, ...others] = await readBlocks(file);
  if (!block || others.length > 0) throw configError(`${what} file should contain exactly one item`);
  if (!types.includes(block.type)) throw configError(`${what} file does not contain ${what} data`);
  return block;
}

function parse<T>(file: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw configError(`${file} cannot be read: ${error instanceof Error ? error.message : error}`, error);
  }
}

/** The one certificate of a file. @throws ReceptorError `RECEPTOR_CONFIG_INVALID` */
export async function loadCertificate(file: string): Promise<X509Certificate> {
  const { der } = await readOnly(file, 'certificate', ['CERTIFICATE']);
  return parse(file, () => new X509Certificate(new Uint8Array(der)));
}

/** The one request of a file. @throws ReceptorError `RECEPTOR_CONFIG_INVALID` */
export async function loadRequest(file: string): Promise<Pkcs10CertificateRequest> {
  const { der } = await readOnly(file, 'certificate request', ['CERTIFICATE REQUEST']);
  return parse(file, () => new Pkcs10CertificateRequest(new Uint8Array(der)));
}

const KEYS = ['RSA PRIVATE KEY', 'PRIVATE KEY'];

/** The one RSA key of a file that holds nothing else. @throws ReceptorError `RECEPTOR_CONFIG_INVALID` */
export async function loadPrivateKey(file: string): Promise<KeyObject> {
  const block = await readOnly(file, 'private key', KEYS);
  const key = parse(file, () => createPrivateKey(block.text));
  if (key.asymmetricKeyType !== 'rsa')
    throw configError('private key file does not contain private key data');
  return key;
}

/** The one RSA key of a file that may hold certificates as well. @throws ReceptorError `RECEPTOR_CONFIG_INVALID` */
export async function findPrivateKey(file: string): Promise<KeyObject> {
  const keys = (await readBlocks(file))
    .filter(({ type }) => KEYS.includes(type))
    .map(({ text }) => parse(file, () => createPrivateKey(text)))
    .filter(({ asymmetricKeyType }) => asymmetricKeyType === 'rsa');
  const [key, ...others] = keys;
  if (!key) throw configError(`no private keys in file ${file}`);
  if (others.length > 0) throw configError(`multiple private keys in file ${file}`);
  return key;
}

/** Writes a text that only the user may read. @throws ReceptorError `RECEPTOR_CONFIG_INVALID` */
export async function savePem(file: string, text: string): Promise<void> {
  try {
    await writeFile(file, text.endsWith('\n') ? text : `${text}\n`, { mode: 0o600 });
    // One that was there before keeps its mode.
    await chmod(file, 0o600);
  } catch (error) {
    throw configError(describeFileError(file, error), error);
  }
}

/** A key as the Go daemon writes it. */
export function keyToPem(key: KeyObject): string {
  return key.export({ type: 'pkcs1', format: 'pem' }).toString();
}
