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

/** The silence after which a link is given up; updates come every 10 seconds (reference: mesh, 2.6). */
const IDLE_LIMIT = 21_000;

/** @throws MeshError `RECEPTOR_MESH_OPTIONS` when links would be given up that are only quiet */
export function checkIdleLimit(milliseconds = IDLE_LIMIT): number {
  if (milliseconds >= IDLE_LIMIT) return milliseconds;
  throw new MeshError(
    'RECEPTOR_MESH_OPTIONS',
    `user defined maxIdleConnectionTimeout [${milliseconds * 1e6}] is less than the default default timeout ` +
      `[${IDLE_LIMIT * 1e6}]`,
  );
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
