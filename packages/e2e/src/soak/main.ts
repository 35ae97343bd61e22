import { parseArgs } from 'node:util';
import { runKills } from './kills.js';
import { runLarge } from './large.js';
import { runRemote } from './remote.js';
import { runUnits } from './units.js';

const { values } = parseArgs({
  options: {
    units: { type: 'string', default: '10000' },
    kills: { type: 'string', default: '0' },
    /** Units that go over the mesh, with links that are cut. */
    remote: { type: 'string', default: '0' },
    /** Whether nodes are killed meanwhile, too. */
    'remote-kills': { type: 'boolean', default: false },
    /** Units with a large payload and a large output that go over the mesh, while a node in the middle is killed. */
    large: { type: 'boolean', default: false },
    /** In MB. */
    'large-payload': { type: 'string', default: '100' },
    /** In MiB. */
    'large-results': { type: 'string', default: '1024' },
    /** In seconds: how often a node is killed. */
    'large-kills': { type: 'string', default: '10' },
    /** Only what has this in its title, such as `Go to ours, 1 hop, signed`. */
    'large-only': { type: 'string', default: '' },
    /** Pods of the cluster of KUBECONFIG instead of commands. */
    'large-pods': { type: 'boolean', default: false },
  },
});

const faults: string[] = [];
if (Number(values.units) > 0) faults.push(...(await runUnits(Number(values.units))));
if (Number(values.kills) > 0) faults.push(...(await runKills(Number(values.kills))));
if (Number(values.remote) > 0)
  faults.push(...(await runRemote(Number(values.remote), values['remote-kills'])));
if (values.large)
  faults.push(
    ...(await runLarge({
      payloadBytes: Number(values['large-payload']) * 1_000_000,
      resultBytes: Number(values['large-results']) * (1 << 20),
      troubleEveryMs: Number(values['large-kills']) * 1000,
      only: values['large-only'],
      kubeconfig: values['large-pods'] ? (process.env.KUBECONFIG ?? '') : '',
    })),
  );
for (const fault of faults) console.log(`FAULT: ${fault}`);
console.log(faults.length === 0 ? 'No fault found.' : `${faults.length} faults found.`);
process.exitCode = faults.length === 0 ? 0 : 1;
