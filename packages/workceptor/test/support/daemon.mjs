// A process that submits units until it is killed: node daemon.mjs <data directory> <file the commands write to>.
// It prints each ID as soon as it is given out.
import { commandWorkType, Workceptor } from '../../dist/index.js';

const [dataDir, ledger] = process.argv.slice(2);
const node = new Workceptor({ nodeId: 'foo', dataDir });
node.registerWorkType(commandWorkType({ workType: 'sh', command: 'sh', allowRuntimeParams: true }));
await node.open();

async function* payload() {
  yield Buffer.from('first half, ');
  await new Promise((resolve) => setTimeout(resolve, Math.random() * 3));
  yield Buffer.from('second half');
}

async function lane(number) {
  for (let i = 0; ; i++) {
    const params = `-c 'cat; echo ${number}-${i} >>${ledger}; sleep 0.0${i % 10}; exit ${i % 3}'`;
    const submission = await node.allocate({ workType: 'sh', parameters: { params }, origin: 'unix' });
    process.stdout.write(`${submission.id} ${number}-${i} ${i % 3}\n`);
    await submission.receive(payload());
    await submission.start();
  }
}
await Promise.all([1, 2, 3].map(lane));
