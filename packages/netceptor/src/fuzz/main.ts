import { endWithUsage, readOptions } from '../developer-command.js';
import { collector } from '../leaks/collector.js';
import { type Finding, fuzz, runInput, TARGETS } from './fuzz.js';

/** `pnpm fuzz --seconds 60`: gives every reader of bytes from outside what nobody would send in good faith. */

const USAGE = `usage: pnpm fuzz [--seconds NUMBER] [--seed NUMBER] [--target NAME] [--input HEX]

--seconds NUMBER   how long, all targets together (60)
--seed NUMBER      the same draws the same input (another every time)
--target NAME      only this one of: ${Object.keys(TARGETS).join(' ')}
--input HEX        gives the target just this`;

function report({ target, seed, input, error }: Finding): void {
  const shown = error instanceof Error ? (error.stack ?? error.message) : String(error);
  console.log(`FINDING target=${target} seed=${seed} input=${input.toString('hex')}\n${shown}`);
  process.exitCode = 1;
}

async function main(): Promise<void> {
  const values = readOptions(USAGE, { seconds: '60', seed: '', target: '', input: '' });
  const seconds = Number(values.seconds);
  const seed = values.seed === '' ? Date.now() % 2 ** 32 : Number(values.seed);
  const names = Object.keys(TARGETS).filter((name) => values.target === '' || name === values.target);
  if (!(seconds > 0)) endWithUsage(USAGE, `--seconds: ${values.seconds} is not a number above 0`);
  if (!Number.isInteger(seed)) endWithUsage(USAGE, `--seed: ${values.seed} is not a whole number`);
  if (names.length === 0) endWithUsage(USAGE, `--target: there is no ${values.target}`);
  const collectGarbage = collector();
  const lines: string[] = [];
  for (const name of names) {
    const target = TARGETS[name]?.();
    if (!target) continue;
    if (values.input !== '') {
      const input = Buffer.from(values.input, 'hex');
      const error = await runInput(target, input);
      if (error !== undefined) report({ target: name, seed, input, error });
      continue;
    }
    const result = await fuzz(target, { seconds: seconds / names.length, seed, collectGarbage });
    if (result.finding) report(result.finding);
    const rate = (result.executions / result.seconds).toFixed(0);
    lines.push(`${name}: ${rate} executions a second, ${result.executions} in all`);
  }
  if (lines.length > 0) console.log(`seed ${seed}\n${lines.join('\n')}`);
}

await main();
