import type { Agent, AgentOptions } from 'node:https';
import { BlockList, isIP } from 'node:net';
import { ReceptorError } from '@receptor/protocol';

const SCHEMES = ['http:', 'https:', 'socks5:', 'socks5h:'];

/**
 * Checks a proxy's address; one without a scheme is HTTP.
 * @throws ReceptorError `RECEPTOR_WORK_START_FAILED`; the address is not quoted, for it may hold a password
 */
export function checkProxy(proxy: string, from: string): string {
  const url = proxy.includes('://') ? proxy : `http://${proxy}`;
  const scheme = URL.canParse(url) ? new URL(url).protocol : '';
  if (SCHEMES.includes(scheme)) return url;
  throw new ReceptorError(
    'RECEPTOR_WORK_START_FAILED',
    scheme === ''
      ? `invalid configuration: the proxy of ${from} is not a URL`
      : `invalid configuration: unsupported scheme "${scheme.slice(0, -1)}" of the proxy of ${from}, must be http, https, or socks5`,
  );
}

/**
 * The proxy by which a server is reached, as Go programs read it from `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` (or their
 * forms in lower case); undefined for none. This machine itself is never reached by a proxy.
 * @throws ReceptorError `RECEPTOR_WORK_START_FAILED` for a proxy that cannot be used
 */
export function proxyFromEnvironment(
  server: string,
  env: Readonly<Record<string, string | undefined>>,
): string | undefined {
  const { protocol, hostname, port } = new URL(server);
  const name = protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY';
  const proxy = (env[name] || env[name.toLowerCase()] || '').trim();
  if (proxy === '') return undefined;
  const host = hostname.replace(/^\[|\]$/g, '');
  if (isLoopback(host)) return undefined;
  const exceptions = env.NO_PROXY || env.no_proxy || '';
  if (isExcepted(host, port || (protocol === 'https:' ? '443' : '80'), exceptions)) return undefined;
  return checkProxy(proxy, name);
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

/** Whether `NO_PROXY` names a host: `*`, an address, a range of them, a domain, each but the range with or without a port. */
function isExcepted(host: string, port: string, exceptions: string): boolean {
  return exceptions
    .split(',')
    .map((entry) => entry.trim().toLowerCase())
    .some((entry) => {
      if (entry === '*') return true;
      if (entry.includes('/')) return isInRange(host, entry);
      const [, name = '', atPort] = /^(.*?)(?::(\d+))?$/.exec(isIP(entry) ? `[${entry}]` : entry) ?? [];
      if (name === '' || (atPort !== undefined && atPort !== port)) return false;
      const plain = name.replace(/^\[|\]$/g, '');
      if (isIP(plain)) return plain === host;
      const domain = plain.replace(/^\*/, '');
      if (domain.startsWith('.')) return host.endsWith(domain);
      return host === domain || host.endsWith(`.${domain}`);
    });
}

function isInRange(host: string, range: string): boolean {
  const family = (address: string) => (isIP(address) === 6 ? 'ipv6' : 'ipv4');
  const [address = '', bits = ''] = range.split('/');
  if (!isIP(host) || !isIP(address) || !/^\d{1,3}$/.test(bits)) return false;
  const list = new BlockList();
  try {
    list.addSubnet(address, Number(bits), family(address));
  } catch {
    return false; // No such range.
  }
  return list.check(host, family(host));
}

/** An agent whose connections go through a proxy. Only who has one loads what knows how. */
export async function proxyAgent(proxy: string, options: AgentOptions): Promise<Agent> {
  if (proxy.startsWith('socks')) {
    const { SocksProxyAgent } = await import('socks-proxy-agent');
    // Names are left to the proxy to resolve, as Go does.
    return new SocksProxyAgent(proxy.replace(/^socks5:/, 'socks5h:'), options) as unknown as Agent;
  }
  const { HttpsProxyAgent } = await import('https-proxy-agent');
  return new HttpsProxyAgent(proxy, options) as unknown as Agent;
}
