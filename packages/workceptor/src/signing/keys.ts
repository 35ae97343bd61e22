import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { ReceptorError } from '@receptor/protocol';
import { errorCode, errorText } from '../error-text.js';

/** What PEM blocks a key file may have, and how a key is made of one (reference: work, 7). */
const KINDS = {
  signing: {
    names: ['RSA PRIVATE KEY', 'PRIVATE KEY'],
    what: 'private key',
    read: (pem: string) => createPrivateKey(pem),
  },
  verifying: { names: ['PUBLIC KEY'], what: 'public key', read: (pem: string) => createPublicKey(pem) },
} as const;

/** What other blocks the Go daemon knows. */
const OTHERS = new Set([
  'CERTIFICATE',
  'CERTIFICATE REQUEST',
  'RSA PRIVATE KEY',
  'PRIVATE KEY',
  'PUBLIC KEY',
]);

/**
 * Reads the one RSA key of a PEM file.
 * @throws ReceptorError `RECEPTOR_SIGNATURE` in the words of the Go daemon
 */
export async function readKey(file: string, kind: keyof typeof KINDS): Promise<KeyObject> {
  const { what, names, read } = KINDS[kind];
  const unusable = (why: string, cause?: unknown) =>
    new ReceptorError('RECEPTOR_SIGNATURE', `could not load ${kind} key file: ${why}`, { cause });
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    throw unusable(
      errorCode(error) === 'ENOENT' ? `open ${file}: no such file or directory` : errorText(error),
      error,
    );
  }
  const blocks = [...text.matchAll(/-----BEGIN ([A-Z0-9 ]+)-----[^-]*-----END \1-----/g)];
  const unknown = blocks.find(([, name = '']) => !OTHERS.has(name));
  if (unknown) throw unusable(`unknown block type ${unknown[1]}`);
  const [block, ...more] = blocks;
  if (!block || more.length > 0) throw unusable(`${what} file should contain exactly one item`);
  const wrong = `${what} file does not contain ${what} data`;
  if (!(names as readonly string[]).includes(block[1] ?? '')) throw unusable(wrong);
  let key: KeyObject;
  try {
    key = read(block[0]);
  } catch (error) {
    // Without the cause: nothing of a private key is to get into a log.
    throw unusable(`${wrong}: ${errorText(error)}`);
  }
  if (key.asymmetricKeyType !== 'rsa') throw unusable(wrong);
  return key;
}
