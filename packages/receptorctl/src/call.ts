import { ReceptorClient } from '@receptor/protocol';
import type { Output } from './output.js';
import { type TlsChoice, tlsOptions } from './tls.js';
import { version } from './version.js';

/** What a command works with. */
export interface Call {
  /** Closed by the signal. */
  readonly client: ReceptorClient;
  readonly output: Output;
  /** Aborts when the person or the system wants the program to end. */
  readonly signal: AbortSignal;
  readonly daemonVersion: string;
  /** Another client, for what is to be done when the first was closed. */
  anotherClient(): ReceptorClient;
}

const MISMATCH = 'receptorctl and receptor are different versions, they may not be compatible';
/** A list of a hundred thousand units fits. */
const MAX_REPLY = 256 * 1024 * 1024;

/** Connects as the global options say, runs a command, and closes. */
export async function withClient(
  globals: TlsChoice & { readonly socket: string | undefined },
  output: Output,
  signal: AbortSignal,
  work: (call: Call) => Promise<number>,
): Promise<number> {
  const address = globals.socket ?? '';
  const options = { ...(await tlsOptions(globals)), maxReply: MAX_REPLY };
  const anotherClient = () => new ReceptorClient(address, options);
  using client = new ReceptorClient(address, { ...options, signal });
  const { Version: daemonVersion = '' } = await client.status({ fields: ['Version'] });
  if (daemonVersion !== '' && daemonVersion !== version()) output.warning(MISMATCH);
  return await work({ client, output, signal, daemonVersion, anotherClient });
}
