import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { run } from '../index.js';
import { type Digest, noise } from './noise.js';

/** What a large unit runs. */
export interface LargeJob {
  readonly workType: string;
  /** What makes it, without its signature. */
  readonly section: readonly [name: string, settings: object];
  /** What is said of a unit that has ended well. */
  readonly detail: string;
  /** What it puts out when it got this payload whole. */
  results(payload: () => Iterable<Buffer>, sent: Digest): Iterable<Buffer>;
  /** How often it was begun. */
  runs(): Promise<number>;
  /** On what payloads it was run, by their SHA-256; a pod does not tell. */
  payloads(): string[];
}

const COMMAND = fileURLToPath(new URL('./large-work.js', import.meta.url));

/** A command, which notes its runs in a ledger. */
export function commandJob(ledger: string, resultBytes: number): LargeJob {
  const params = `${COMMAND} ${ledger} ${resultBytes}`;
  const noted = () => (existsSync(ledger) ? readFileSync(ledger, 'utf8').split('\n').filter(Boolean) : []);
  return {
    workType: 'large',
    section: ['work-command', { command: process.execPath, params }],
    detail: 'exit status 0',
    results: (_payload, { sha256 }) => noise(sha256, resultBytes),
    runs: async () => noted().filter((line) => line === 'begun').length,
    payloads: () => noted().filter((line) => line !== 'begun'),
  };
}

/** What busybox wraps base64 at. */
const LINE_BYTES = 57;

/** A pod, of whose runs the cluster has events. It puts out its payload as base64, over and over, each time with a heading. */
export function podJob(kubeconfig: string, resultBytes: number): LargeJob {
  // A pod is named after its work type.
  const workType = `large-${randomBytes(4).toString('hex')}`;
  const script = [
    'base64 > /tmp/t; s=$(sha256sum < /tmp/t); i=0',
    'while [ $i -lt 1000000 ]; do echo "$i $s"; cat /tmp/t; i=$((i+1)); done 2>/dev/null',
  ].join('; ');
  return {
    workType,
    section: [
      'work-kubernetes',
      {
        ...{ authmethod: 'kubeconfig', kubeconfig, namespace: 'default', image: 'busybox' },
        ...{ command: 'sh', params: `-c '{ ${script}; } | head -c ${resultBytes}'` },
      },
    ],
    detail: 'Finished',
    results: (payload) => repeated(payload, resultBytes),
    runs: () => startedPods(workType),
    payloads: () => [],
  };
}

function* repeated(payload: () => Iterable<Buffer>, size: number): Generator<Buffer> {
  const text = wrapped(Buffer.concat([...payload()]));
  const sha256 = createHash('sha256').update(text).digest('hex');
  let left = size;
  for (let round = 0; left > 0; round += 1)
    for (const piece of [Buffer.from(`${round} ${sha256}  -\n`), text]) {
      if (left > 0) yield piece.subarray(0, left);
      left -= piece.length;
    }
}

function wrapped(bytes: Buffer): Buffer {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += LINE_BYTES)
    lines.push(bytes.toString('base64', at, Math.min(at + LINE_BYTES, bytes.length)), '\n');
  return Buffer.from(lines.join(''), 'latin1');
}

async function startedPods(workType: string): Promise<number> {
  const names = 'jsonpath={range .items[*]}{.involvedObject.name}{"\\n"}{end}';
  const args = ['get', 'events', '-n', 'default', '--field-selector', 'reason=Started', '-o', names];
  const { code, stdout, stderr } = await run({ command: 'kubectl', prefix: [] }, args);
  if (code !== 0) throw new Error(`kubectl get events: ${stderr}`);
  return stdout
    .toString()
    .split('\n')
    .filter((name) => name.startsWith(`${workType}-`)).length;
}
