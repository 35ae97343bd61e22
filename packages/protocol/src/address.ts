import { homedir } from 'node:os';
import { ReceptorError } from './errors.js';

/** Where a control service listens. */
export type ControlAddress =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp' | 'tls'; readonly host: string; readonly port: number };

const NETWORK = /^(tcp|tls):(?:\/\/)?([a-zA-Z0-9.:-]+):([0-9]+)$/;
const UNIX = /^(?:unix:(?:\/\/)?)?([^:]+)$/;

/**
 * Reads an address as receptorctl's `--socket` takes it: `tcp://host:port`, `tls://host:port`, `unix:path` or a bare
 * path, with `~` for the home directory (reference: control, 9).
 * @throws ReceptorError `RECEPTOR_ADDRESS_INVALID` when it is none of these.
 */
export function parseAddress(address: string): ControlAddress {
  const [, scheme, host, digits] = NETWORK.exec(address) ?? [];
  if (host !== undefined) {
    const port = Number(digits);
    if (port > 0 && port <= 65535) return { kind: scheme === 'tls' ? 'tls' : 'tcp', host, port };
  } else {
    const path = UNIX.exec(address)?.[1];
    if (path !== undefined) return { kind: 'unix', path: path.replace(/^~(?=\/|$)/, homedir()) };
  }
  throw new ReceptorError('RECEPTOR_ADDRESS_INVALID', `Invalid socket address ${address}`);
}
