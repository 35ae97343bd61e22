import { encodeReply } from '@receptor/protocol';
import type { Logger } from '@receptor/workceptor';

/** Answers `reload` (reference: control, 5). There is nothing to reload while the node has no backends of its own. */
export function reloadReply(log: Logger): string {
  const text =
    'reload is not available on this node. Must restart receptor for changes to take effect ERRORCODE 4';
  log.warning(`Reload not successful: ${text}`);
  return encodeReply({ Error: text, Success: false });
}
