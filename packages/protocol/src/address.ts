import { homedir } from 'node:os';
import { ReceptorError } from './errors.js';

/** Where a control service listens. */
export type Address = { kind: 'unix'; path: string } | { kind: 'tcp' | 'tls'; host: string; port: number };

/**
 * Reads the address of a control service as receptorctl does: `unix:PATH`, `unix://PATH` or a bare path (no colon in
 * it, `~` is the home directory), or `tcp:HOST:PORT`, `tcp://HOST:PORT` and the same with `tls`. Beyond that, an IPv6
 * address may stand in brackets (reference: control, 9).
 * @throws ReceptorError `RECEPTOR_ADDRESS_INVALID`.
 */
export function parseAddress(text: string): Address {
  const [, kind, ipv6, name, digits] =
    /^(tcp|tls):(?:\/\/)?(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.:-]+)):([0-9]+)$/.exec(text) ?? [];
  const host = ipv6 ?? name;
  const port = Number(digits);
  if ((kind === 'tcp' || kind === 'tls') && host !== undefined && port <= 65_535) return { kind, host, port };
  const [, path] = /^(?:unix:(?:\/\/)?)?([^:]+)$/.exec(text) ?? [];
  // A NUL cannot be part of a path, and would make Node throw something else later.
  if (path === undefined || path.includes('\0'))
    throw new ReceptorError('RECEPTOR_ADDRESS_INVALID', `Invalid socket address ${text}`);
  return { kind: 'unix', path: path.replace(/^~(?=\/|$)/, () => homedir()) };
}
