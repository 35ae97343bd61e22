import type { PacketCounters } from '../packet/packet-layer.js';
import type { RoutingTable } from '../routing/shortest-paths.js';
import type { Advertisement } from '../wire/advertisement.js';

/** What a node knows of the mesh. */
export interface NodeStatus {
  readonly nodeId: string;
  /** The neighbours. */
  readonly connections: readonly { readonly nodeId: string; readonly cost: number }[];
  /** The nodes in reach, with the neighbour on the way and the cost of it. */
  readonly routes: RoutingTable;
  /** What every known node said about its links. */
  readonly knownConnections: ReadonlyMap<string, ReadonlyMap<string, number>>;
  /** The services of this node and of all others. */
  readonly advertisements: readonly Advertisement[];
  readonly packets: Readonly<PacketCounters>;
}
