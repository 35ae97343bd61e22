import { cpus, totalmem } from 'node:os';
import { encodeStatusReply, type StatusCommand, type StatusReply } from '@receptor/protocol';
import { ABILITIES } from '@receptor/workceptor';
import { localTimestamp } from '../local-timestamp.js';
import type { NodeSnapshot, NodeView } from '../node-view.js';

const SYSTEM = { SystemCPUCount: cpus().length, SystemMemoryMiB: Math.floor(totalmem() / 1024 ** 2) };

/** Stands for the time in a reply that is kept ready; no name can contain it. */
const TIME_MARK = '\u0000';

/** Answers `status` (reference: control, 2). Of a node without links, all but the time is kept ready. */
export class StatusReplies {
  readonly #node: NodeView;
  #snapshot: NodeSnapshot | undefined;
  #parts: readonly string[] = [];

  constructor(node: NodeView) {
    this.#node = node;
  }

  reply(command: StatusCommand): string {
    const { snapshot } = this.#node;
    if (command.requestedFields !== undefined) {
      const wanted = new Set(command.requestedFields);
      const reply = Object.entries({
        ...statusOf(snapshot, localTimestamp(new Date())),
        // Only for those who ask: a Go node has no such member.
        Abilities: ABILITIES,
      });
      return encodeStatusReply(Object.fromEntries(reply.filter(([name]) => wanted.has(name))));
    }
    // What other nodes say may contain anything, and changes all the time.
    if (snapshot.mesh) return encodeStatusReply(statusOf(snapshot, localTimestamp(new Date())));
    if (this.#snapshot !== snapshot) {
      this.#snapshot = snapshot;
      this.#parts = encodeStatusReply(statusOf(snapshot, TIME_MARK)).split('\\u0000');
    }
    return this.#parts.join(localTimestamp(new Date()));
  }
}

function statusOf(snapshot: NodeSnapshot, time: string): StatusReply {
  const { nodeId, version, services, workTypes, mesh } = snapshot;
  const own = services.map((service) => ({
    NodeID: nodeId,
    Service: service.name,
    Time: time,
    ConnType: service.tls ? 2 : 1,
    Tags: { type: 'Control Service' },
    WorkCommands: workTypes.length > 0 ? workTypes : null,
  }));
  return {
    Advertisements: [...own, ...(mesh?.advertisements ?? [])],
    Connections: mesh?.connections ?? [],
    KnownConnectionCosts: mesh?.knownConnectionCosts ?? {},
    NodeID: nodeId,
    RoutingTable: mesh?.routingTable ?? {},
    ...SYSTEM,
    Version: version,
  };
}
