import { ReceptorError } from '@receptor/protocol';
import type { Verifier, Workceptor } from '@receptor/workceptor';
import type { CommandContext } from '../../command.js';

/** What `work` commands work on. */
export interface WorkSubjects {
  readonly workceptor: Workceptor;
  readonly verifier: Pick<Verifier, 'verify'>;
  readonly nodeId: string;
}

/**
 * Refuses a work command whose signature is not what the work type wants (reference: work, 7). Whoever may open
 * the Unix socket needs none.
 * @param wanted whether the work type verifies signatures
 * @throws ReceptorError `RECEPTOR_SIGNATURE`
 */
export async function checkSignature(
  { verifier }: Pick<WorkSubjects, 'verifier'>,
  wanted: boolean,
  signature: string | undefined,
  { origin }: Pick<CommandContext, 'origin'>,
): Promise<void> {
  if (!wanted && signature)
    throw new ReceptorError('RECEPTOR_SIGNATURE', 'work type did not expect a signature');
  if (wanted && origin !== 'unix') await verifier.verify(signature);
}
