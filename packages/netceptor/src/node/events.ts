import type { LinkEnd } from '../link/state.js';
import type { RoutingTable } from '../routing/shortest-paths.js';
import type { Advertisement } from '../wire/advertisement.js';

/** A link to a neighbour that came up. */
export interface LinkUpEvent {
  readonly peer: string;
  readonly cost: number;
  /** The address of the other end. */
  readonly remote: string;
}

/** A link to a neighbour that went down, and why. */
export interface LinkDownEvent {
  readonly peer: string;
  readonly kind: LinkEnd['kind'];
  readonly reason: string;
  readonly remote: string;
}

/** A service of another node that appeared, changed or is gone. */
export interface AdvertisementEvent {
  readonly kind: 'new' | 'changed' | 'cancelled';
  readonly advertisement: Advertisement;
}

/** What a node tells of, with what it says. */
export interface NodeEvents {
  linkUp: [LinkUpEvent];
  linkDown: [LinkDownEvent];
  /** The ways to other nodes are now these. */
  routesChanged: [RoutingTable];
  /** A node came into reach. */
  nodeAppeared: [string];
  /** A node is not in reach any more. */
  nodeVanished: [string];
  advertisement: [AdvertisementEvent];
  /** Another node with this ID started earlier, so this one stops. */
  duplicate: [];
  /** The node is closed; nothing of it is left. */
  closed: [];
}
