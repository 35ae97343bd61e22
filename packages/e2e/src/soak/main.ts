import { parseArgs } from 'node:util';
import { runKills } from './kills.js';
import { runUnits } from './units.js';

const { values } = parseArgs({
  options: {
    units: { type: 'string', default: '10000' },
    kills: { type: 'string', default: '0' },
  },
});

const faults: string[] = [];
if (Number(values.units) > 0) faults.push(...(await runUnits(Number(values.units))));
if (Number(values.kills) > 0) faults.push(...(await runKills(Number(values.kills))));
for (const fault of faults) console.log(`FAULT: ${fault}`);
console.log(faults.length === 0 ? 'No fault found.' : `${faults.length} faults found.`);
process.exitCode = faults.length === 0 ? 0 : 1;
