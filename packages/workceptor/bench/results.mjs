// How fast results go to a client over a Unix socket, from a running and from a finished unit, and small writes.
// node bench/results.mjs [MiB=1024]
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { commandWorkType, Workceptor } from '../dist/index.js';

const mib = Number(process.argv[2] ?? 1024);
const dataDir = mkdtempSync(join(tmpdir(), 'receptor-bench-'));
const workceptor = new Workceptor({ nodeId: 'bench', dataDir });
workceptor.registerWorkType(commandWorkType({ workType: 'sh', command: 'sh', allowRuntimeParams: true }));
await workceptor.open();

let unit = '';
const server = createServer(async (socket) => {
  await (await workceptor.results(unit)).pipeTo(socket);
  socket.end();
}).listen(join(dataDir, 'socket'));
await once(server, 'listening');

async function* nothing() {}

async function start(script) {
  const params = `-c '${script}'`;
  const submission = await workceptor.allocate({ workType: 'sh', parameters: { params }, origin: 'unix' });
  await submission.receive(nothing());
  await submission.start();
  unit = submission.id;
}

// A client in a process of its own, which throws away what it reads.
const CLIENT = `
let bytes = 0; const began = performance.now();
require('node:net').connect({ path: process.argv[1], onread: { buffer: Buffer.alloc(1 << 20), callback: (n) => { bytes += n; return true; } } })
  .on('close', () => console.log(bytes, performance.now() - began));`;

async function read() {
  const client = spawn(process.execPath, ['-e', CLIENT, join(dataDir, 'socket')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = await once(client.stdout, 'data');
  const [bytes, ms] = String(line).split(' ').map(Number);
  return { bytes, seconds: ms / 1000 };
}

const rate = ({ bytes, seconds }) => `${(bytes / 2 ** 20 / seconds).toFixed(0)} MiB/s (${bytes} bytes)`;
await start(`head -c ${mib}M /dev/zero`);
console.log('running unit: ', rate(await read()));
console.log('finished unit:', rate(await read()));
await workceptor.release(unit);
await start('i=0; while [ $i -lt 200000 ]; do printf "%99d\\n" $i; i=$((i+1)); done');
const { bytes, seconds } = await read();
console.log(`100-byte writes: ${(bytes / 100 / seconds).toFixed(0)} lines/s`);
server.close();
await workceptor.close();
rmSync(dataDir, { recursive: true });
