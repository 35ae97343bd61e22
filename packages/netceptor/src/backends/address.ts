import { isIPv4 } from 'node:net';
import { MeshError } from '../errors.js';

/** A host and a port. */
export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/**
 * Reads `host:port`, with an IPv6 address in square brackets.
 * @throws MeshError `RECEPTOR_MESH_OPTIONS` in the words of the Go daemon
 */
export function parseHostPort(address: string): HostPort {
  const match = /^(?:\[([^[\]]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(address);
  const port = Number(match?.[3]);
  if (!match) {
    const tooMany = /:.*:/.test(address) && !address.startsWith('[');
    const what = tooMany ? 'too many colons in address' : 'missing port in address';
    throw new MeshError('RECEPTOR_MESH_OPTIONS', `address ${address}: ${what}`);
  }
  if (port < 1 || port > 65_535)
    throw new MeshError('RECEPTOR_MESH_OPTIONS', `address ${match[3]}: invalid port`);
  return { host: match[1] ?? (match[2] || 'localhost'), port };
}

/** The usual way to write where something listens or comes from. */
export function formatHostPort(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** An IPv4 address as such, where a socket for both families shows it as one of IPv6. */
export function plainAddress(address: string): string {
  const plain = address.replace(/^::ffff:/i, '');
  return isIPv4(plain) ? plain : address;
}
