import { appendFileSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough, Writable } from 'node:stream';
import { WorkState } from '@receptor/protocol';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { UnitHandle, Workceptor, WorkType } from '../../src/index.js';
import { watchForLeaks } from '../support/leaks.js';
import {
  completed,
  openNode,
  output,
  running,
  script,
  submit,
  temporaryDirectory,
  usualWorkTypes,
} from '../support/node.js';

/** A work type whose units the test plays itself. */
function puppet(units: UnitHandle[]): WorkType {
  return {
    name: 'puppet',
    verifiesSignature: false,
    prepare: async () => null,
    createWorker: (unit) => ({
      start: async () => void units.push(unit),
      resume: async () => void units.push(unit),
      cancel: () => unit.update({ state: WorkState.Canceled, detail: 'Canceled' }),
      release: async () => undefined,
      detach: async () => undefined,
    }),
  };
}

let data: ReturnType<typeof temporaryDirectory>;
let leaks: ReturnType<typeof watchForLeaks>;
let node: Workceptor;
let units: UnitHandle[];

beforeEach(async () => {
  data = temporaryDirectory();
  leaks = watchForLeaks(data.path);
  units = [];
  node = await openNode(data.path, [...usualWorkTypes({ graceMs: 300 }), puppet(units)]);
});

afterEach(async () => {
  await node.close();
  await leaks.assertNone();
  data.remove();
});

async function puppetUnit(): Promise<UnitHandle> {
  await submit(node, 'puppet');
  const unit = units.at(-1);
  if (!unit) throw new Error('not started');
  return unit;
}

/** The next piece of an output. */
async function next(results: AsyncIterator<Buffer>): Promise<string | undefined> {
  const { value, done } = await results.next();
  return done ? undefined : (value as Buffer).toString();
}

test('tells a reader each piece as it comes, and the end', async () => {
  const unit = await puppetUnit();
  const results = (await node.results(unit.id))[Symbol.asyncIterator]();
  const first = next(results); // Asked for before there is a file.
  appendFileSync(unit.stdoutPath, 'one');
  expect(await first).toBe('one');
  appendFileSync(unit.stdoutPath, 'two');
  unit.outputChanged();
  expect(await next(results)).toBe('two');
  const end = next(results);
  await unit.update({ state: WorkState.Succeeded, detail: 'done' });
  expect(await end).toBeUndefined();
});

test.each([
  [0, '1\n2\n3\n'],
  [2, '2\n3\n'],
  [6, ''],
  [100, ''],
  [-1, ''],
])('from position %i of a finished unit', async (position, expected) => {
  const id = await submit(node, 'cat', {}, '1\n2\n3\n');
  await completed(node, id);
  expect(await output(node, id, position)).toBe(expected);
});

test('from a position that the output has yet to reach', async () => {
  const unit = await puppetUnit();
  appendFileSync(unit.stdoutPath, '0123');
  const results = (await node.results(unit.id, 6))[Symbol.asyncIterator]();
  const piece = next(results);
  appendFileSync(unit.stdoutPath, '456789');
  expect(await piece).toBe('6789');
  await results.return?.(undefined);
});

test('ends for a unit without any output', async () => {
  const unit = await puppetUnit();
  const text = output(node, unit.id);
  await unit.update({ state: WorkState.Failed, detail: 'no pod' });
  expect(await text).toBe('');
});

test('ends for a cancelled unit, after all it has put out', async () => {
  const id = await submit(node, 'sh', script('echo before; exec sleep 60'));
  await running(node, id);
  const text = output(node, id);
  await node.cancel(id);
  expect(await text).toBe('before\n');
});

test('ends for a unit that is released meanwhile', async () => {
  const unit = await puppetUnit();
  appendFileSync(unit.stdoutPath, 'something');
  const results = (await node.results(unit.id))[Symbol.asyncIterator]();
  expect(await next(results)).toBe('something');
  const end = next(results);
  await node.release(unit.id, { force: true });
  expect(await end).toBeUndefined();
});

test('ends for a unit whose directory somebody removes', async () => {
  const unit = await puppetUnit();
  appendFileSync(unit.stdoutPath, 'x');
  const results = (await node.results(unit.id))[Symbol.asyncIterator]();
  expect(await next(results)).toBe('x');
  const end = next(results);
  rmSync(unit.directory, { recursive: true });
  expect(await end).toBeUndefined();
});

test('rejects when the signal ends it, and when the node closes', async () => {
  const unit = await puppetUnit();
  const abort = new AbortController();
  const aborted = (await node.results(unit.id, 0, abort.signal))[Symbol.asyncIterator]().next();
  const closed = (await node.results(unit.id))[Symbol.asyncIterator]().next();
  setImmediate(() => abort.abort());
  await expect(aborted).rejects.toMatchObject({ code: 'RECEPTOR_ABORTED' });
  const seen = expect(closed).rejects.toMatchObject({ code: 'RECEPTOR_ABORTED' });
  await node.close();
  await seen;
});

test('reads a growing output byte for byte', async () => {
  const id = await submit(
    node,
    'sh',
    script('i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done'),
  );
  const text = await output(node, id);
  expect(text).toBe(readFileSync(join(node.directory, id, 'stdout'), 'utf8'));
  expect(text.split('\n')).toHaveLength(3001);
});

test('sends a large output through a slow stream whole, holding little of it', async () => {
  const id = await submit(node, 'sh', script('seq 1 1000000'));
  let [bytes, most] = [0, 0];
  let sum = 0;
  const slow = new Writable({
    highWaterMark: 1,
    write(chunk: Buffer, _encoding, callback) {
      most = Math.max(most, slow.writableLength);
      bytes += chunk.length;
      for (const byte of chunk) sum = (sum * 31 + byte) | 0;
      setImmediate(callback);
    },
  });
  await (await node.results(id)).pipeTo(slow);
  let expected = 0;
  const whole = readFileSync(join(node.directory, id, 'stdout'));
  for (const byte of whole) expected = (expected * 31 + byte) | 0;
  expect(bytes).toBe(whole.length);
  expect(sum).toBe(expected);
  expect(most).toBeLessThanOrEqual(1024 * 1024);
  expect(slow.writableEnded).toBe(false);
});

test('rejects when the stream closes before the end', async () => {
  const unit = await puppetUnit();
  const stream = new PassThrough();
  const sent = (await node.results(unit.id)).pipeTo(stream);
  setImmediate(() => stream.destroy());
  await expect(sent).rejects.toMatchObject({ code: 'RECEPTOR_CONNECTION_LOST' });
});
