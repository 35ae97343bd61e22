import { encodeReply, type PingCommand } from '@receptor/protocol';
import type { NodeView } from '../node-view.js';

/** Answers `ping` (reference: control, 3). A node out of reach is a reply too. */
export async function pingReply(node: NodeView, command: PingCommand, signal: AbortSignal): Promise<string> {
  return encodeReply(await node.ping(command.target, signal));
}
