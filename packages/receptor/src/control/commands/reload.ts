import { encodeReply } from '@receptor/protocol';
import type { Logger } from '@receptor/workceptor';

/** Puts the configuration in force as it is now. @throws Error with a `number`, which the reply has to tell */
export type Reload = () => Promise<unknown>;

/** Answers `reload` (reference: control, 5). */
export async function reloadReply(reload: Reload, log: Logger): Promise<string> {
  log.debug('Reloading');
  try {
    await reload();
    return encodeReply({ Success: true });
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    const number = error instanceof Error && 'number' in error ? error.number : 4;
    log.warning(`Reload not successful: ${text}`);
    return encodeReply({ Error: `${text} ERRORCODE ${number}`, Success: false });
  }
}
