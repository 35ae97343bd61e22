import { ReceptorError } from '@receptor/protocol';
import { readKey } from './keys.js';

/** How a {@link Signer} signs. */
export interface SignerOptions {
  /** PEM file of the RSA private key; read at each use. */
  privateKey: string;
  /** How long a token is valid, in milliseconds. Default: 5 minutes. */
  expirationMs?: number;
}

const DEFAULT_EXPIRATION_MS = 300_000;

/** Makes tokens by which another node knows that a command comes from who has the key (reference: work, 7). */
export class Signer {
  /** How long a token is valid, in milliseconds. */
  readonly expirationMs: number;
  readonly #file: string;

  constructor({ privateKey, expirationMs = DEFAULT_EXPIRATION_MS }: SignerOptions) {
    this.#file = privateKey;
    this.expirationMs = expirationMs;
  }

  /**
   * Makes a token for one command.
   * @param node who is to accept it
   * @throws ReceptorError `RECEPTOR_SIGNATURE` when the key cannot be used
   */
  async sign(node: string): Promise<string> {
    const key = await readKey(this.#file, 'signing');
    const { SignJWT } = await import('jose');
    const expires = Math.floor((Date.now() + this.expirationMs) / 1000);
    try {
      return await new SignJWT({ aud: [node], exp: expires })
        .setProtectedHeader({ alg: 'RS512', typ: 'JWT' })
        .sign(key);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new ReceptorError('RECEPTOR_SIGNATURE', `could not load signing key file: ${why}`);
    }
  }
}
