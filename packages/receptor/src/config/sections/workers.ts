import { checkTokenExpiration } from '../checks.js';
import { bool, defineSection, int, map, string } from '../section.js';

const worktype = string('Name for this worker type', { required: true });
const verifysignature = bool('Verify a signed work submission', { default: 'false' });
const maxrunningunits = int('How many units of this type may run at a time, the others wait', {
  default: '0',
  own: true,
  note: 'They wait in state Pending, in the order in which they came, also across a restart. 0 is no limit.',
});

const checkMaxRunning = (worktype: string, max: number) =>
  max < 0 ? `maxrunningunits of work type '${worktype}' is ${max}, and must not be negative` : undefined;

export const workSigning = defineSection({
  name: 'work-signing',
  group: 'workers',
  help: 'Private key to sign work submissions',
  single: true,
  fields: {
    privatekey: string('Private key to sign work submissions', { bare: true }),
    tokenexpiration: string('Expiration of the signed json web token, e.g. 3h or 3h30m'),
  },
  checks: { prepare: ({ tokenexpiration }) => checkTokenExpiration(tokenexpiration) },
});

export const workVerification = defineSection({
  name: 'work-verification',
  group: 'workers',
  help: 'Public key to verify work submissions',
  single: true,
  fields: { publickey: string('Public key to verify signed work submissions', { bare: true }) },
});

export const workCommand = defineSection({
  name: 'work-command',
  group: 'workers',
  help: 'Run a worker using an external command',
  fields: {
    worktype,
    command: string('Command to run to process units of work', { required: true }),
    params: string('Command-line parameters'),
    allowruntimeparams: bool('Allow users to add more parameters', { default: 'false' }),
    verifysignature,
    maxrunningunits,
  },
  checks: {
    prepare: ({ worktype, maxrunningunits }) => checkMaxRunning(worktype, maxrunningunits),
    run: (settings, there) =>
      settings.verifysignature && !there.has('work-verification')
        ? `VerifySignature for work command '${settings.worktype}' is true, but the work verification public key is not specified`
        : undefined,
  },
});

export const workKubernetes = defineSection({
  name: 'work-kubernetes',
  plural: 'work-kubernetes',
  group: 'workers',
  help: 'Run a worker using Kubernetes',
  fields: {
    worktype,
    namespace: string('Kubernetes namespace to create pods in'),
    image: string('Container image to use for the worker pod'),
    command: string('Command to run in the container (overrides entrypoint)'),
    params: string('Command-line parameters to pass to the entrypoint'),
    authmethod: string('One of: kubeconfig, incluster', {
      default: 'incluster',
      note: 'Or `runtime`: the kubeconfig comes with each submission.',
    }),
    kubeconfig: string('Kubeconfig filename (for authmethod=kubeconfig)', {
      note: 'Without it, that of `KUBECONFIG` or `~/.kube/config`.',
    }),
    pod: string('Pod definition filename, in json or yaml format'),
    allowruntimeauth: bool('Allow passing API parameters at runtime', { default: 'false' }),
    allowruntimecommand: bool('Allow specifying image & command at runtime', { default: 'false' }),
    allowruntimeparams: bool('Allow adding command parameters at runtime', { default: 'false' }),
    allowruntimepod: bool('Allow passing Pod at runtime', { default: 'false' }),
    deletepodonrestart: bool('On restart, delete the pod if in pending state', { default: 'true' }),
    streammethod: string('Method for connecting to worker pods: logger or tcp', { default: 'logger' }),
    verifysignature,
    allowruntimekubeconfigfiles: bool(
      'Allow a kubeconfig submitted over TCP or the mesh to name files and programs of this host',
      { default: 'false', own: true },
    ),
    failonnonzeroexit: bool('Fail a unit whose worker exits with a code other than 0', {
      default: 'false',
      own: true,
    }),
    deleteorphanpods: bool('At start, delete pods whose unit of work is gone', {
      default: 'false',
      own: true,
    }),
    maxrunningunits,
  },
  checks: { prepare: ({ worktype, maxrunningunits }) => checkMaxRunning(worktype, maxrunningunits) },
});

export const workPython = defineSection({
  name: 'work-python',
  plural: 'work-python',
  group: 'workers',
  help: 'Run a worker using a Python plugin',
  fields: {
    worktype,
    plugin: string('Python module name of the worker plugin', {
      required: true,
      note: 'The name of an entry point of the group `receptor.worker`. The program `receptor-python-worker` has to be in PATH.',
    }),
    function: string('Receptor-exported function to call', { required: true }),
    config: map('Plugin-specific configuration'),
  },
});
