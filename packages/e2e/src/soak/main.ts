import { parseArgs } from 'node:util';
import { runKills } from './kills.js';
import { runLarge } from './large.js';
import { runRemote } from './remote.js';
import { runUnits } from './units.js';

const USAGE = `usage: pnpm soak [OPTION ...]

--units NUMBER          short units in a row (10000)
--kills NUMBER          crashes of a node at random moments (0)
--remote NUMBER         units that go over a mesh whose links are cut (0)
--remote-kills          kills nodes of that mesh, too
--large                 units with a large payload and a large output that go over lines of nodes, with Go nodes where
                        RECEPTOR_GO names a Go daemon, while nodes in the middle are killed, or the only link is cut
--large-payload NUMBER  in MB (100)
--large-results NUMBER  in MiB (1024)
--large-kills NUMBER    how often, in seconds (10)
--large-only TEXT       only what has this in its title, such as 'Go to ours, 1 hop, signed'
--large-pods            pods of the cluster of KUBECONFIG instead of commands

It ends with 1 if it found a fault.`;

function endWithUsage(problem: string): never {
  console.error(`${problem}\n\n${USAGE}`);
  process.exit(2);
}

function readOptions() {
  try {
    return parseArgs({
      options: {
        help: { type: 'boolean', default: false },
        units: { type: 'string', default: '10000' },
        kills: { type: 'string', default: '0' },
        remote: { type: 'string', default: '0' },
        'remote-kills': { type: 'boolean', default: false },
        large: { type: 'boolean', default: false },
        'large-payload': { type: 'string', default: '100' },
        'large-results': { type: 'string', default: '1024' },
        'large-kills': { type: 'string', default: '10' },
        'large-only': { type: 'string', default: '' },
        'large-pods': { type: 'boolean', default: false },
      },
    }).values;
  } catch (error) {
    return endWithUsage(error instanceof Error ? error.message : String(error));
  }
}

const values = readOptions();
if (values.help) {
  console.log(USAGE);
  process.exit(0);
}

function numberOf(name: 'units' | 'kills' | 'remote' | 'large-payload' | 'large-results' | 'large-kills') {
  const number = values[name].trim() === '' ? Number.NaN : Number(values[name]);
  return number >= 0 ? number : endWithUsage(`--${name}: '${values[name]}' is not a number from 0`);
}

const [units, kills, remote] = [numberOf('units'), numberOf('kills'), numberOf('remote')];
const payloadBytes = Math.round(numberOf('large-payload') * 1_000_000);
const resultBytes = Math.round(numberOf('large-results') * (1 << 20));
const troubleEveryMs = numberOf('large-kills') * 1000;
const kubeconfig = values['large-pods'] ? process.env.KUBECONFIG : '';
if (kubeconfig === undefined) endWithUsage('--large-pods: KUBECONFIG names no cluster');

const faults: string[] = [];
if (units > 0) faults.push(...(await runUnits(units)));
if (kills > 0) faults.push(...(await runKills(kills)));
if (remote > 0) faults.push(...(await runRemote(remote, values['remote-kills'])));
if (values.large)
  faults.push(
    ...(await runLarge({
      payloadBytes,
      resultBytes,
      troubleEveryMs,
      only: values['large-only'],
      kubeconfig,
    })),
  );
for (const fault of faults) console.log(`FAULT: ${fault}`);
console.log(faults.length === 0 ? 'No fault found.' : `${faults.length} faults found.`);
process.exitCode = faults.length === 0 ? 0 : 1;
