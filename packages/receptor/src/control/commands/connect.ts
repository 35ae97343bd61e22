import type { Duplex } from 'node:stream';
import { CONNECTING_LINE, type ConnectCommand } from '@receptor/protocol';
import type { CommandContext } from '../command.js';

/**
 * Opens a stream to a service of the mesh; `tlsClient` names the section that says how to speak TLS there.
 * @throws ReceptorError `RECEPTOR_CONNECT_FAILED` in the words of the mesh
 */
export type Dial = (node: string, service: string, tlsClient?: string) => Duplex;

/** Runs `connect` (reference: control, 4): the rest of the session is between the client and the service. */
export async function runConnect(
  dial: Dial,
  { node, service, tls }: ConnectCommand,
  context: CommandContext,
): Promise<undefined> {
  const stream = dial(node, service, tls);
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
