import { parseArgs } from 'node:util';
import { runKills } from './kills.js';
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
  },
});

const faults: string[] = [];
if (Number(values.units) > 0) faults.push(...(await runUnits(Number(values.units))));
if (Number(values.kills) > 0) faults.push(...(await runKills(Number(values.kills))));
if (Number(values.remote) > 0)
  faults.push(...(await runRemote(Number(values.remote), values['remote-kills'])));
for (const fault of faults) console.log(`FAULT: ${fault}`);
console.log(faults.length === 0 ? 'No fault found.' : `${faults.length} faults found.`);
process.exitCode = faults.length === 0 ? 0 : 1;
