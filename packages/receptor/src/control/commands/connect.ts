import { CONNECTING_LINE, type ConnectCommand } from '@receptor/protocol';
import type { CommandContext } from '../command.js';
import type { NodeView } from '../node-view.js';

/** Runs `connect` (reference: control, 4): the rest of the session is between the client and the service. */
export async function runConnect(
  view: NodeView,
  { node, service, tls }: ConnectCommand,
  context: CommandContext,
): Promise<undefined> {
  const stream = await view.dial(node, service, tls, context.signal);
  try {
    await context.write(CONNECTING_LINE);
    const payload = context.payload();
    payload.once('error', () => stream.destroy());
    payload.pipe(stream);
    for await (const chunk of stream) await context.write(chunk);
  } catch (error) {
    // The client has been told nothing but the service's words; ours would pass for them.
    context.breakOff(error);
  } finally {
    stream.destroy();
  }
  return undefined;
}
