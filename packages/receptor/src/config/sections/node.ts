import { hostname } from 'node:os';
import { checkFirewallRules, checkIdleTimeout } from '../checks.js';
import { bool, defineSection, ruleList, string } from '../section.js';

export const node = defineSection({
  name: 'node',
  group: 'general',
  help: 'Specifies the node configuration of this instance',
  single: true,
  implicit: true,
  fields: {
    id: string('Node ID. Defaults to the local hostname.', { bare: true }),
    datadir: string('Directory in which to store node data.', { default: '/tmp/receptor' }),
    firewallrules: ruleList('Firewall rules, see documentation for syntax.'),
    maxidleconnectiontimeout: string(
      'Maximum duration with no traffic before a backend connection is timed out and refreshed.',
    ),
    receptorkubesupportreconnect: string(),
    receptorkubeclientsetqps: string(),
    receptorkubeclientsetburst: string(),
    receptorkubeclientsetratelimiter: string(),
  },
  checks: {
    init: ({ id, firewallrules, maxidleconnectiontimeout }) =>
      checkNodeId(id) ?? checkIdleTimeout(maxidleconnectiontimeout) ?? checkFirewallRules(firewallrules),
  },
});

/** The ID of the node: the configured one, or the name of the host. */
export const nodeId = (id: string): string => id || hostname();

function checkNodeId(id: string): string | undefined {
  if (!id && /^localhost(\.|$)/i.test(hostname()))
    return 'no node ID specified and local host name is localhost';
  return nodeId(id).toLowerCase() === 'localhost' ? 'node ID "localhost" is reserved' : undefined;
}

export const localOnly = defineSection({
  name: 'local-only',
  group: 'general',
  help: 'Runs a self-contained node with no backend',
  single: true,
  fields: { local: bool() },
});

export const version = defineSection({
  name: 'version',
  group: 'general',
  help: 'Displays the Receptor version.',
  exclusive: true,
  fields: {},
});
