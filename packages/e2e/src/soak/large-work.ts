import { once } from 'node:events';
import { appendFileSync } from 'node:fs';
import { digest, noise } from './noise.js';

// The command of a large unit: notes in a ledger that it has begun, and on what payload, and puts out as much as it is told of what
// that stands for.
const [ledger = '', bytes = '0'] = process.argv.slice(2);
appendFileSync(ledger, 'begun\n');
const { sha256 } = await digest(process.stdin);
appendFileSync(ledger, `${sha256}\n`);
for (const piece of noise(sha256, Number(bytes)))
  if (!process.stdout.write(piece)) await once(process.stdout, 'drain');
