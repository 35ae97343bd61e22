import type { Logger } from '@receptor/workceptor';
import type { ConfigItem } from './config/item.js';
import { InForce } from './in-force.js';
import type { OwnNode } from './own-node.js';
import { SERVICES } from './services/sections.js';
import type { Service } from './services/service.js';
import type { TlsProfiles } from './tls-profiles.js';

/** The services that a node has on top of the mesh by its configuration. */
export class Services {
  readonly #inForce: InForce<Service>;
  /** Changes come one after the other; nothing starts once it is closed. */
  #last: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(node: OwnNode, tls: TlsProfiles, log: Logger) {
    this.#inForce = new InForce({
      start: async (item) => {
        const { startService } = await import('./services/index.js');
        return startService(item, { netceptor: await node.join(), tls, log });
      },
      stop: (service) => service.close(),
    });
  }

  /**
   * Makes the services those of the configuration. What one that has not changed carries goes on; what one carries that is gone,
   * or says something else now, is cut.
   * @throws ReceptorError `RECEPTOR_CONFIG_INVALID` in the words of the Go daemon
   */
  apply(items: readonly ConfigItem[]): Promise<void> {
    const wanted = items.filter(({ section }) => SERVICES.has(section));
    return this.#change(() => (this.#closed ? [] : wanted));
  }

  /** Ends all. */
  close(): Promise<void> {
    this.#closed = true;
    return this.#change(() => []);
  }

  #change(items: () => readonly ConfigItem[]): Promise<void> {
    const change = () => this.#inForce.apply(items());
    this.#last = this.#last.then(change, change);
    return this.#last;
  }
}
