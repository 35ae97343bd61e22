import { encodeTracerouteReply, type TracerouteCommand, type TracerouteHop } from '@receptor/protocol';
import type { NodeView } from '../node-view.js';

/** Answers `traceroute` (reference: control, 3). */
export async function tracerouteReply(
  node: NodeView,
  command: TracerouteCommand,
  signal: AbortSignal,
): Promise<string> {
  const hops: Record<string, TracerouteHop> = {};
  let count = 0;
  for await (const hop of node.traceroute(command.target, signal)) hops[count++] = hop;
  return encodeTracerouteReply(hops);
}
