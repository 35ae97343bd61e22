import { ReceptorError } from '@receptor/protocol';
import type { Configuration } from './config/arguments.js';
import type { DaemonLogger } from './logging.js';

/**
 * Puts a configuration in force: init, prepare and run of all its sections, in their order. Resolves when the whole
 * of it is in force; the daemon then runs until a signal ends it.
 * @param log at level info; the section `log-level` sets the level
 * @throws ReceptorError whatever keeps a section from being put in force
 */
export function startDaemon(_configuration: Configuration, _log: DaemonLogger): Promise<void> {
  return Promise.reject(new ReceptorError('RECEPTOR_CONFIG_INVALID', 'the daemon is not assembled yet'));
}
