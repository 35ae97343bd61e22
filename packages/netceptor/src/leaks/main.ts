import { endWithUsage, readOptions } from '../developer-command.js';
import { checkPhase, mebibytes } from './check.js';
import { startNodes } from './phases.js';

/** `pnpm leaks`: opens and closes connections, streams and links by the thousand, and looks whether anything is left. */

const USAGE = `usage: pnpm leaks [--scale NUMBER]

--scale NUMBER   so many times as much of everything, such as 0.1 for a quick look (1)`;

const values = readOptions(USAGE, { scale: '1' });
const scale = Number(values.scale);
if (!(scale > 0)) endWithUsage(USAGE, `--scale: ${values.scale} is not a number above 0`);

const sum = (resources: ReadonlyMap<string, number>) => [...resources.values()].reduce((a, b) => a + b, 0);

const nodes = await startNodes();
for (const phase of nodes.phases(scale)) {
  const started = performance.now();
  const { before, after, faults } = await checkPhase(phase);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(
    `${phase.count} ${phase.name} in ${seconds} s: handles and timers ${sum(before.resources)} -> ` +
      `${sum(after.resources)}, descriptors ${before.descriptors} -> ${after.descriptors}, memory ` +
      `${mebibytes(before.memory)} -> ${mebibytes(after.memory)} MiB`,
  );
  for (const fault of faults) {
    console.log(`LEAK: ${fault}`);
    process.exitCode = 1;
  }
}
await nodes.close();
