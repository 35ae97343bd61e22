// How fast command units run from submit to completion, and at how much CPU, children included.
// node bench/units.mjs [units=300] [command=cat]
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { commandWorkType, Workceptor } from '../dist/index.js';

const count = Number(process.argv[2] ?? 300);
const dataDir = mkdtempSync(join(tmpdir(), 'receptor-bench-'));
const workceptor = new Workceptor({ nodeId: 'bench', dataDir });
workceptor.registerWorkType(commandWorkType({ workType: 'cat', command: process.argv[3] ?? 'cat' }));
await workceptor.open();

/** CPU of this process and of the children it has reaped, in milliseconds. */
function cpu() {
  const fields = readFileSync('/proc/self/stat', 'latin1').split(') ')[1].split(' ');
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks) * 10, 0);
}

async function* payload() {
  yield Buffer.from('hello world\n');
}

async function run() {
  const submission = await workceptor.allocate({ workType: 'cat', parameters: {}, origin: 'unix' });
  await submission.receive(payload());
  await submission.start();
  let size = 0;
  for await (const chunk of await workceptor.results(submission.id)) size += chunk.length;
  if (size !== 12) throw new Error(`unit ${submission.id} gave ${size} bytes`);
  await workceptor.release(submission.id);
}

for (let i = 0; i < 20; i++) await run();
for (const concurrent of [1, 16]) {
  const [started, before] = [performance.now(), cpu()];
  let left = count;
  const lane = async () => {
    while (left-- > 0) await run();
  };
  await Promise.all(Array.from({ length: concurrent }, lane));
  const ms = performance.now() - started;
  const rate = ((count / ms) * 1000).toFixed(0);
  console.log(
    `${concurrent} at a time: ${rate} units/s, ${((ms / count) * concurrent).toFixed(1)} ms each, ${((cpu() - before) / count).toFixed(1)} ms CPU each`,
  );
}
await workceptor.close();
rmSync(dataDir, { recursive: true });
