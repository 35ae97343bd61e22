import type { Duplex } from 'node:stream';
import { CONNECTING_LINE, type ConnectCommand, ReceptorError } from '@receptor/protocol';
import type { CommandContext } from '../command.js';

/**
 * Opens a stream to a service of the mesh.
 * @throws ReceptorError `RECEPTOR_CONNECT_FAILED` in the words of the mesh
 */
export type Dial = (node: string, service: string) => Duplex;

/** Runs `connect` (reference: control, 4): the rest of the session is between the client and the service. */
export async function runConnect(
  dial: Dial,
  { node, service, tls }: ConnectCommand,
  context: CommandContext,
): Promise<undefined> {
  if (tls !== undefined) throw new ReceptorError('RECEPTOR_CONNECT_FAILED', `unknown TLS config ${tls}`);
  const stream = dial(node, service);
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
