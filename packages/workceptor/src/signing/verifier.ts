import { formatDuration, ReceptorError } from '@receptor/protocol';
import { readKey } from './keys.js';

/** How a {@link Verifier} verifies. */
export interface VerifierOptions {
  /** The own node: only tokens for it are accepted. */
  nodeId: string;
  /** PEM file of the RSA public key, read at each use; without one, nothing can be verified. */
  publicKey?: string;
  /** Milliseconds since 1970; the system's clock by default. */
  now?: () => number;
}

/** Signed with what the holder of a public key has too. */
const SYMMETRIC = /^HS/;

/** Verifies the tokens of commands (reference: work, 7): RS512 only, in their time, and for this node. */
export class Verifier {
  readonly #options: VerifierOptions;

  constructor(options: VerifierOptions) {
    this.#options = options;
  }

  /** @throws ReceptorError `RECEPTOR_SIGNATURE` why the token is not accepted, in the words of the Go daemon */
  async verify(token: string | undefined): Promise<void> {
    const { publicKey, now = Date.now, nodeId } = this.#options;
    if (!token) throw refusal('signature is empty');
    if (publicKey === undefined) throw refusal('verifying key not specified');
    const key = await readKey(publicKey, 'verifying');
    if (token.split('.').length !== 3) throw refusal('token contains an invalid number of segments');
    const { compactVerify, decodeProtectedHeader } = await import('jose');
    let algorithm: unknown;
    try {
      algorithm = decodeProtectedHeader(token).alg;
    } catch {
      throw refusal('token is malformed');
    }
    if (algorithm === 'none') throw refusal("'none' signature type is not allowed");
    if (typeof algorithm !== 'string') throw refusal('signing method (alg) is unspecified.');
    if (SYMMETRIC.test(algorithm)) throw refusal('key is of invalid type');
    if (algorithm !== 'RS512') throw refusal(`signing method ${algorithm} is invalid`);
    let payload: Uint8Array;
    try {
      ({ payload } = await compactVerify(token, key, { algorithms: ['RS512'] }));
    } catch {
      throw refusal('crypto/rsa: verification error');
    }
    checkClaims(payload, nodeId, now());
  }
}

function checkClaims(payload: Uint8Array, nodeId: string, now: number): void {
  let claims: unknown;
  try {
    claims = JSON.parse(Buffer.from(payload).toString());
  } catch {
    // As good as none.
  }
  if (typeof claims !== 'object' || claims === null) throw refusal('token is malformed');
  const { exp, nbf, iat, aud } = claims as Record<string, unknown>;
  // A token that is valid for ever is none: the Go daemon takes it, but makes none such.
  if (typeof exp !== 'number') throw refusal('token has no expiry');
  const late = now - exp * 1000;
  if (late >= 0)
    throw refusal(`token is expired by ${formatDuration(BigInt(Math.round(late)) * 1_000_000n)}`);
  if (nbf !== undefined && !(typeof nbf === 'number' && nbf * 1000 <= now))
    throw refusal('token is not valid yet');
  if (iat !== undefined && !(typeof iat === 'number' && iat * 1000 <= now))
    throw refusal('token used before issued');
  const audience = Array.isArray(aud) ? aud : [aud];
  if (!audience.includes(nodeId))
    throw new ReceptorError('RECEPTOR_SIGNATURE', 'token audience did not match node ID');
}

function refusal(why: string): ReceptorError {
  return new ReceptorError('RECEPTOR_SIGNATURE', `could not verify signature: ${why}`);
}
