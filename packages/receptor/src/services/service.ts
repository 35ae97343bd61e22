import type { Netceptor } from '@receptor/netceptor';
import type { Logger } from '@receptor/workceptor';
import type { TlsProfiles } from '../tls-profiles.js';

/** What a service needs of the node. */
export interface ServiceContext {
  readonly netceptor: Netceptor;
  readonly tls: TlsProfiles;
  readonly log: Logger;
}

/** A service that runs on top of the mesh. */
export interface Service {
  /** Accepts nothing more, and cuts what it carries. */
  close(): Promise<void>;
}

/** What an error says. */
export function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
