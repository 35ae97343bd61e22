import { encodeReply, formatDuration, type PingCommand } from '@receptor/protocol';
import { isOwnNode, type NodeView } from '../node-view.js';
import { NO_ROUTE } from './routes.js';

/** Answers `ping` (reference: control, 3): a node without links reaches itself only. */
export function pingReply(node: NodeView, command: PingCommand): string {
  const start = process.hrtime.bigint();
  const { nodeId } = node.snapshot;
  if (!isOwnNode(command.target, nodeId)) return encodeReply({ Error: NO_ROUTE, Success: false });
  const time = process.hrtime.bigint() - start;
  return encodeReply({ From: nodeId, Success: true, Time: Number(time), TimeStr: formatDuration(time) });
}
