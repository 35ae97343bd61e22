import { existsSync } from 'node:fs';
import { parseDurationMs } from '@receptor/protocol';
import { type Logger, Signer, Verifier } from '@receptor/workceptor';
import { type ConfigItem, configError, describePosition } from './config/item.js';

/** What the sections `work-signing` and `work-verification` come to. */
export interface Signing {
  /** Undefined when this node has no key to sign with. */
  readonly signer: Signer | undefined;
  readonly verifier: Verifier;
}

/**
 * Puts the keys of a configuration in force. They are read at each use, so that they can be replaced.
 * @throws ReceptorError `RECEPTOR_CONFIG_INVALID` when a key file does not exist
 */
export function loadSigning(items: readonly ConfigItem[], nodeId: string, log: Logger): Signing {
  let signer: Signer | undefined;
  let publicKey: string | undefined;
  for (const item of items) {
    if (item.section === 'work-signing') {
      const { privatekey, tokenexpiration } = item.settings;
      assertThere(privatekey, item);
      const expirationMs = tokenexpiration === '' ? undefined : parseDurationMs(tokenexpiration);
      if (expirationMs !== undefined && expirationMs < 1000)
        log.warning(`A tokenexpiration of ${tokenexpiration} is over before a token can be used`);
      signer = new Signer({ privateKey: privatekey, ...(expirationMs !== undefined && { expirationMs }) });
    } else if (item.section === 'work-verification') {
      assertThere(item.settings.publickey, item);
      publicKey = item.settings.publickey;
    }
  }
  return { signer, verifier: new Verifier({ nodeId, ...(publicKey !== undefined && { publicKey }) }) };
}

function assertThere(file: string, item: ConfigItem): void {
  if (!existsSync(file)) throw configError(`${file} does not exist${describePosition(item.at)}`);
}
