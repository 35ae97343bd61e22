import { MeshError } from '../errors.js';
import type { LinkRules } from '../link/state.js';

/** How a node treats the neighbours it has through a backend. */
export interface BackendSettings {
  /** The cost of a link, the same as at its other end; 1 when left out. */
  readonly cost?: number;
  /** Costs for links to single nodes. */
  readonly nodeCost?: Readonly<Record<string, number>>;
  /** The nodes that may be neighbours; all when left out. */
  readonly allowedPeers?: readonly string[];
}

/** @throws MeshError `RECEPTOR_MESH_OPTIONS` when it cannot be an ID */
export function checkNodeId(id: string): string {
  if (id === '') throw new MeshError('RECEPTOR_MESH_OPTIONS', 'node ID is empty');
  if (id.toLowerCase() === 'localhost')
    throw new MeshError('RECEPTOR_MESH_OPTIONS', `node ID "${id}" is reserved`);
  return id;
}

/** @throws MeshError `RECEPTOR_MESH_OPTIONS` when a cost is not positive */
export function linkRules(
  nodeId: string,
  { cost = 1, nodeCost = {}, allowedPeers }: BackendSettings,
  idleLimit: number,
): LinkRules {
  if (!isCost(cost)) throw new MeshError('RECEPTOR_MESH_OPTIONS', 'connection cost must be positive');
  for (const [node, value] of Object.entries(nodeCost))
    if (!isCost(value))
      throw new MeshError('RECEPTOR_MESH_OPTIONS', `connection cost must be positive for ${node}`);
  return {
    nodeId,
    cost,
    nodeCost: new Map(Object.entries(nodeCost)),
    allowedPeers: allowedPeers && new Set(allowedPeers),
    idleLimit,
  };
}

function isCost(cost: number): boolean {
  return cost > 0 && Number.isFinite(cost);
}
