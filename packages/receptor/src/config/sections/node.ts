import { hostname } from 'node:os';
import { checkFirewallRules, checkIdleTimeout } from '../checks.js';
import { bool, defineSection, ruleList, string } from '../section.js';

/** The keys that stand for variables of the environment (reference: kubernetes, 3.1). */
const KUBERNETES_VARIABLES = {
  receptorkubesupportreconnect: 'RECEPTOR_KUBE_SUPPORT_RECONNECT',
  receptorkubeclientsetqps: 'RECEPTOR_KUBE_CLIENTSET_QPS',
  receptorkubeclientsetburst: 'RECEPTOR_KUBE_CLIENTSET_BURST',
  receptorkubeclientsetratelimiter: 'RECEPTOR_KUBE_CLIENTSET_RATE_LIMITER',
} as const;

/** The variables that the node's section sets for work in Kubernetes; they go before those of the process. */
export function kubernetesEnvironment(
  settings: Readonly<Record<keyof typeof KUBERNETES_VARIABLES, string>>,
): Record<string, string> {
  const keys = Object.keys(KUBERNETES_VARIABLES) as (keyof typeof KUBERNETES_VARIABLES)[];
  return Object.fromEntries(
    keys.filter((key) => settings[key] !== '').map((key) => [KUBERNETES_VARIABLES[key], settings[key]]),
  );
}

const kubernetesKey = (name: keyof typeof KUBERNETES_VARIABLES) =>
  string(undefined, {
    note: `Goes before the environment variable \`${KUBERNETES_VARIABLES[name]}\`. The Go daemon heeds it in files of the map form only.`,
  });

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
    receptorkubesupportreconnect: kubernetesKey('receptorkubesupportreconnect'),
    receptorkubeclientsetqps: kubernetesKey('receptorkubeclientsetqps'),
    receptorkubeclientsetburst: kubernetesKey('receptorkubeclientsetburst'),
    receptorkubeclientsetratelimiter: kubernetesKey('receptorkubeclientsetratelimiter'),
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
