import { parseDuration } from '@receptor/protocol';
import { parseNetwork, splitNetworks } from '../ip-network.js';
import type { FirewallRule } from './kinds.js';

/** Checks that several sections share. Each returns what is wrong, in the words of the Go daemon. */

/** `cost` and `nodecost` of a listener or a peer. */
export function checkCost(settings: {
  readonly cost: number;
  readonly nodecost?: Readonly<Record<string, number>>;
}): string | undefined {
  // Written this way round, NaN is refused too.
  if (!(settings.cost > 0)) return 'connection cost must be positive';
  for (const [node, cost] of Object.entries(settings.nodecost ?? {}))
    if (!(cost > 0)) return `connection cost must be positive for ${node}`;
  return undefined;
}

/** An address of the form `host:port`, an IPv6 host in brackets. */
export function checkHostPort(address: string): string | undefined {
  const wrong = (problem: string): string => `address ${address}: ${problem}`;
  const colon = address.lastIndexOf(':');
  if (colon < 0) return wrong('missing port in address');
  const host = address.slice(0, colon);
  if (host.startsWith('[')) {
    const end = address.indexOf(']');
    if (end < 0) return wrong("missing ']' in address");
    if (end === address.length - 1) return wrong('missing port in address');
    if (end !== colon - 1)
      return wrong(address[end + 1] === ':' ? 'too many colons in address' : 'missing port in address');
    return host.slice(1, -1).includes('[') ? wrong("unexpected '[' in address") : undefined;
  }
  if (host.includes(':')) return wrong('too many colons in address');
  if (host.includes('[') || address.slice(colon).includes('[')) return wrong("unexpected '[' in address");
  return address.includes(']') ? wrong("unexpected ']' in address") : undefined;
}

/** The name of a service in the mesh; `prefix` begins the message. */
export function checkServiceName(prefix: string, service: string): string | undefined {
  return Buffer.byteLength(service) > 8 ? `${prefix}service name ${service} too long` : undefined;
}

/** The settings of an IP router. */
export function checkIpRouter(settings: {
  readonly networkname: string;
  readonly interface: string;
  readonly localnet: string;
  readonly routes: string;
}): string | undefined {
  const { networkname, interface: name, localnet, routes } = settings;
  const local = parseNetwork(localnet);
  if (!local) return noCidr(localnet);
  if (local.bits !== 30) return `local network ${localnet} must be a /30 CIDR`;
  if (local.base.length !== 1) return `local network ${localnet} must be IPv4`;
  for (const route of splitNetworks(routes)) if (!parseNetwork(route)) return noCidr(route);
  // The kernel puts a number in place of %d.
  if (name !== '' && !/^(?=.{1,15}$)(?!\.\.?$)[\w.-]+(%d[\w.-]*)?$/.test(name))
    return `${name} cannot be the name of a network interface`;
  return checkServiceName(`error listening for service ${networkname}: `, networkname);
}

const noCidr = (text: string): string => `could not parse ${text} as a CIDR address`;

/** A URL; a host that opens a bracket must close it. */
export function checkUrl(url: string): string | undefined {
  const wrong = (problem: string): string =>
    `address ${url} is not a valid URL: parse ${JSON.stringify(url)}: ${problem}`;
  if (/^[a-z][a-z0-9+.-]*:\/\/[^/?#]*\[[^\]/?#]*($|[/?#])/i.test(url)) return wrong("missing ']' in host");
  return URL.canParse(url) ? undefined : wrong('invalid URI for request');
}

const RULE_KEYS = new Set(['action', 'fromnode', 'tonode', 'fromservice', 'toservice']);
const RULE_ACTIONS = new Set(['accept', 'reject', 'drop']);

/** The rules of `firewallrules`; their keys and actions may be in any case. */
export function checkFirewallRules(rules: readonly FirewallRule[]): string | undefined {
  for (const [index, rule] of rules.entries()) {
    const problem = checkFirewallRule(rule);
    if (problem !== undefined) return `error in rule ${index}: ${problem}`;
  }
  return undefined;
}

function checkFirewallRule(rule: FirewallRule): string | undefined {
  let action = '';
  for (const [key, value] of Object.entries(rule)) {
    if (typeof value !== 'string') return `invalid firewall rule. ${key} must be a string`;
    if (!RULE_KEYS.has(key.toLowerCase())) return `invalid filewall rule. unknown key: ${key}`;
    if (key.toLowerCase() === 'action') action = value;
  }
  return RULE_ACTIONS.has(action.toLowerCase()) ? undefined : `unknown action: ${action}`;
}

const DURATION_EXAMPLES = "-- valid examples include '1.5h', '30m', '30m10s'";

/** How long a signed submission is valid. Empty is the default. */
export function checkTokenExpiration(text: string): string | undefined {
  return text !== '' && nanoseconds(text) === undefined
    ? `failed to parse TokenExpiration ${DURATION_EXAMPLES}`
    : undefined;
}

/** How long finished units are kept. Empty is for ever. */
export function checkMaxAge(text: string): string | undefined {
  if (text === '') return undefined;
  const age = nanoseconds(text);
  if (age === undefined) return `failed to parse maxage of work-pruning ${DURATION_EXAMPLES}`;
  return age > 0n ? undefined : `maxage of work-pruning is ${text}, and must be more than nothing`;
}

const DEFAULT_IDLE_TIMEOUT = 21_000_000_000n;

/** How long a backend connection may be silent: never less than the default, or peers would be cut off. */
export function checkIdleTimeout(text: string): string | undefined {
  if (text === '') return undefined;
  const timeout = nanoseconds(text);
  if (timeout === undefined)
    return `failed to parse MaxIdleConnectionTimeout from configuration file ${DURATION_EXAMPLES}`;
  return timeout < DEFAULT_IDLE_TIMEOUT
    ? `user defined maxIdleConnectionTimeout [${timeout}] is less than the default default timeout [${DEFAULT_IDLE_TIMEOUT}]`
    : undefined;
}

function nanoseconds(text: string): bigint | undefined {
  try {
    return parseDuration(text);
  } catch {
    return undefined;
  }
}
