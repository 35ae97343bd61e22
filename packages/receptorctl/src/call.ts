import { ControlClient } from './client/index.js';
import type { Output } from './output.js';
import { clientTls, type TlsChoice } from './tls.js';
import { version } from './version.js';

/** What a command works with. */
export interface Call {
  readonly client: ControlClient;
  readonly output: Output;
  /** Aborts when the person or the system wants the program to end. */
  readonly signal: AbortSignal;
  readonly daemonVersion: string;
  /** Connects anew, for what is to be done when the client was closed. */
  connect(signal: AbortSignal): Promise<ControlClient>;
}

const MISMATCH = 'receptorctl and receptor are different versions, they may not be compatible';

/** Connects as the global options say, runs a command, and closes. */
export async function withClient(
  globals: TlsChoice & { readonly socket: string | undefined },
  output: Output,
  signal: AbortSignal,
  work: (call: Call) => Promise<number>,
): Promise<number> {
  const address = globals.socket ?? '';
  const tls = await clientTls(globals, address);
  const connect = (ending: AbortSignal) => ControlClient.connect(address, { tls, signal: ending });
  await using client = await connect(signal);
  const { Version: daemonVersion = '' } = await client.status(['Version']);
  if (daemonVersion !== '' && daemonVersion !== version()) output.warning(MISMATCH);
  return await work({ client, output, signal, daemonVersion, connect });
}
