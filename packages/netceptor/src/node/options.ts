import type { Clock } from '../clock.js';
import type { FirewallRule } from '../firewall/firewall.js';
import type { Logger } from '../logger.js';
import type { Random } from '../random.js';
import type { TlsClientProfile, TlsServerProfile } from '../tls/profile.js';
import type { WorkCommand } from '../wire/advertisement.js';

/** The settings of a {@link Netceptor}. */
export interface NetceptorOptions {
  /** The node's ID: any text but `localhost`, the same at most once in a mesh. */
  readonly id: string;
  readonly log?: Logger;
  /** Who may send what to whom; everybody everything when left out. */
  readonly firewallRules?: readonly FirewallRule[];
  /** Milliseconds of silence after which a link is given up; 21000 when left out, and at least. */
  readonly maxIdleTime?: number;
  /** The time to go by; a test brings one that it drives. */
  readonly clock?: Clock;
  /** Where chance comes from; a simulation brings one that can be repeated. */
  readonly random?: Random;
}

/** How a service for streams is offered. */
export interface ListenOptions {
  /** The certificate to show and the demands on callers; a connection that is only encrypted when left out. */
  readonly tls?: TlsServerProfile;
  /** What the mesh is told about it; nothing when left out. `type` says what it is. */
  readonly tags?: Readonly<Record<string, string>>;
  /** The types of work that it offers, asked for whenever it is told of. */
  readonly workCommands?: () => readonly WorkCommand[];
}

/** How a stream is opened. */
export interface DialOptions {
  /** What to demand of the service; a service without TLS when left out. */
  readonly tls?: TlsClientProfile;
  /** Ends the attempt. */
  readonly signal?: AbortSignal;
}

/** A backend that was added to a node. */
export interface RunningBackend {
  /** Where it listens, or what it connects to. */
  readonly address: string;
  /** Ends its links, telling the peers, and the backend itself. */
  stop(): Promise<void>;
}
