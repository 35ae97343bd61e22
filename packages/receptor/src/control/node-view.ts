import type { AdvertisedWorkType } from '@receptor/protocol';

/** A service of this node, as the mesh would hear of it. */
export interface OwnService {
  readonly name: string;
  /** Whether it asks for TLS. */
  readonly tls: boolean;
}

/** What the commands say about the node. Replaced by another object whenever anything in it changes. */
export interface NodeSnapshot {
  readonly nodeId: string;
  readonly version: string;
  /** Control services, in the order of the configuration. */
  readonly services: readonly OwnService[];
  readonly workTypes: readonly AdvertisedWorkType[];
}

/** The node, as commands see it. */
export interface NodeView {
  readonly snapshot: NodeSnapshot;
}

/** Whether a client means this node; `localhost` does in any case (reference: control, 3). */
export function isOwnNode(node: string, nodeId: string): boolean {
  return node === nodeId || node.toLowerCase() === 'localhost';
}
