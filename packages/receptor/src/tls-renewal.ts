import type { Logger } from '@receptor/workceptor';
import { digestOf, FileWatch } from './file-watch.js';
import type { TlsFiles } from './tls-profiles.js';

/** Puts the files of `tls-server` and `tls-client` in force again when they change. What is not usable is not used. */
export class TlsRenewal {
  readonly #sections: readonly TlsFiles[];
  readonly #log: Logger;
  readonly #watch: FileWatch;
  /** What the files of each section held when they were last looked at. */
  readonly #seen = new Map<TlsFiles, string>();

  constructor(sections: readonly TlsFiles[], log: Logger) {
    this.#sections = sections.filter(({ files }) => files.length > 0);
    this.#log = log;
    const files = this.#sections.flatMap((section) => section.files);
    this.#watch = new FileWatch(files, () => this.#renew(), log);
  }

  /** Begins to watch; the files have been read already. */
  async start(): Promise<void> {
    await this.#watch.start();
    for (const section of this.#sections) this.#seen.set(section, await digestOf(section.files));
  }

  /** Looks at the files now. Never rejects: what is wrong is in the log. */
  refresh(): Promise<void> {
    return this.#watch.look();
  }

  close(): void {
    this.#watch.close();
  }

  async #renew(): Promise<void> {
    for (const section of this.#sections) {
      const now = await digestOf(section.files);
      if (this.#seen.get(section) === now) continue;
      this.#seen.set(section, now);
      try {
        await section.renew();
        this.#log.info(`TLS config ${section.name}: files have changed, new connections use them`);
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        this.#log.error(
          `TLS config ${section.name}: files have changed, but cannot be used, and what they held before stays in force: ${reason}`,
        );
      }
    }
  }
}
