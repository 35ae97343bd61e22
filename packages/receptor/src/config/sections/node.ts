import { hostname } from 'node:os';
import { checkFirewallRules, checkIdleTimeout } from '../checks.js';
import { bool, defineSection, ruleList, string } from '../section.js';

const kubeVariable = (name: string): string =>
  `Has no effect, as with the Go daemon; set the environment variable \`RECEPTOR_KUBE_${name}\` instead.`;

export const node = defineSection({
  name: 'node',
  group: 'general',
  help: 'Specifies the node configuration of this instance',
  single: true,
  implicit: true,
  fields: {
    id: string('Node ID. Defaults to the local hostname.', { bare: true }),
    datadir: string('Directory in which to store node data.', {
      default: '/tmp/receptor',
      note: 'Units of work are in the directory of it that has the name of the node.',
    }),
    firewallrules: ruleList('Firewall rules, see documentation for syntax.', {
      note:
        'Each rule has an `action` (`accept`, `reject`, `drop`) and any of `fromnode`, `tonode`, `fromservice`, `toservice`; ' +
        'a value between slashes, as `/a.*/`, is a regular expression for the whole name. The first rule that matches decides.',
    }),
    maxidleconnectiontimeout: string(
      'Maximum duration with no traffic before a backend connection is timed out and refreshed.',
      { note: 'Such as `1h20m30s`; at least `21s`, which is the default.' },
    ),
    receptorkubesupportreconnect: string(undefined, { note: kubeVariable('SUPPORT_RECONNECT') }),
    receptorkubeclientsetqps: string(undefined, { note: kubeVariable('CLIENTSET_QPS') }),
    receptorkubeclientsetburst: string(undefined, { note: kubeVariable('CLIENTSET_BURST') }),
    receptorkubeclientsetratelimiter: string(undefined, { note: kubeVariable('CLIENTSET_RATE_LIMITER') }),
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
  fields: { local: bool(undefined, { note: 'Has no effect; it is the section that counts.' }) },
});

export const version = defineSection({
  name: 'version',
  group: 'general',
  help: 'Displays the Receptor version.',
  exclusive: true,
  fields: {},
});
