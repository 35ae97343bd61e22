import { ReceptorError } from '@receptor/protocol';
import type { Origin } from '@receptor/workceptor';

/**
 * Refuses a work command whose signature is not what the work type wants (reference: work, 7). Whoever may open
 * the Unix socket needs none.
 * @param verifies whether the work type verifies signatures
 * @throws ReceptorError `RECEPTOR_SIGNATURE`
 */
export function checkSignature(verifies: boolean, signature: string | undefined, origin: Origin): void {
  if (!verifies) {
    if (signature) throw new ReceptorError('RECEPTOR_SIGNATURE', 'work type did not expect a signature');
    return;
  }
  if (origin === 'unix') return;
  // No section of the configuration names a key yet, so nothing can be verified.
  const reason = signature ? 'verifying key not specified' : 'signature is empty';
  throw new ReceptorError('RECEPTOR_SIGNATURE', `could not verify signature: ${reason}`);
}
