import {
  encodeTracerouteReply,
  formatDuration,
  type TracerouteCommand,
  type TracerouteHop,
} from '@receptor/protocol';
import { isOwnNode, type NodeView } from '../node-view.js';
import { NO_ROUTE } from './routes.js';

/** Answers `traceroute` (reference: control, 3): the first hop is the node itself, and the only one without links. */
export function tracerouteReply(node: NodeView, command: TracerouteCommand): string {
  const { nodeId } = node.snapshot;
  const hops: Record<string, TracerouteHop> = { 0: hop(nodeId) };
  if (!isOwnNode(command.target, nodeId)) hops[1] = { Error: NO_ROUTE, ...hop(nodeId) };
  return encodeTracerouteReply(hops);
}

function hop(nodeId: string): TracerouteHop {
  const start = process.hrtime.bigint();
  const time = process.hrtime.bigint() - start;
  return { From: nodeId, Time: Number(time), TimeStr: formatDuration(time) };
}
