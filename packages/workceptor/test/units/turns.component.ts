import { mkdirSync, readdirSync, readFileSync, symlinkSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { commandWorkType, type Workceptor } from '../../src/index.js';
import { watchForLeaks } from '../support/leaks.js';
import { completed, openNode, script, submit, temporaryDirectory, until } from '../support/node.js';

let data: ReturnType<typeof temporaryDirectory>;
let leaks: ReturnType<typeof watchForLeaks>;
let node: Workceptor;

const types = (maxRunning = 2) => [
  commandWorkType({ workType: 'few', command: 'sh', allowRuntimeParams: true, maxRunning }),
  commandWorkType({ workType: 'any', command: 'sh', allowRuntimeParams: true }),
];

beforeEach(async () => {
  data = temporaryDirectory();
  leaks = watchForLeaks(data.path);
  node = await openNode(data.path, types());
});

afterEach(async () => {
  for (const [id, { State }] of Object.entries(node.list())) if (State < 2) await node.cancel(id);
  await node.close();
  await leaks.assertNone();
  data.remove();
});

const path = (name: string) => join(data.path, name);
/** A unit that writes its name down and runs until its file is there. */
const patient = (name: string, workType = 'few') => {
  const wait = `until [ -e ${path(`${name}.go`)} ]; do sleep 0.02; done`;
  return submit(node, workType, script(`echo ${name} >> ${path('began')}; ${wait}`));
};
const letGo = (name: string) => mkdirSync(path(`${name}.go`));
const began = () =>
  readdirSync(data.path).includes('began') ? readFileSync(path('began'), 'utf8').trim().split('\n') : [];
const hasBegun = (...names: string[]) =>
  until(() => began().length === names.length && began()).then((found) => expect(found).toEqual(names));
const WAITS = { StateName: 'Pending', Detail: 'Waiting for its turn: at most 2 of few run at a time' };

/** Submits one after the other, each once the one before has begun or waits. */
async function several(...names: string[]): Promise<string[]> {
  const ids = [];
  for (const name of names) {
    ids.push(await patient(name));
    if (ids.length <= 2) await until(() => began().includes(name));
  }
  return ids;
}

describe('a work type that lets two units run at a time', () => {
  test('runs the others in the order in which they came, each when one has ended', async () => {
    const ids = await several('a', 'b', 'c', 'd', 'e');
    for (const id of ids.slice(2)) expect(await node.status(id)).toMatchObject(WAITS);
    expect(began()).toEqual(['a', 'b']);
    letGo('b');
    await hasBegun('a', 'b', 'c');
    expect(await node.status(ids[3] ?? '')).toMatchObject(WAITS);
    letGo('a');
    await hasBegun('a', 'b', 'c', 'd');
    letGo('d');
    await hasBegun('a', 'b', 'c', 'd', 'e');
    for (const name of ['c', 'e']) letGo(name);
    for (const id of ids) expect(await completed(node, id)).toMatchObject({ StateName: 'Succeeded' });
  });

  test('holds up no unit of another type', async () => {
    await several('a', 'b', 'c');
    await patient('other', 'any');
    await hasBegun('a', 'b', 'other');
  });

  test('gives the place of a unit that fails, is cancelled or released to the next', async () => {
    const [a = '', b = ''] = await several('a', 'b', 'c', 'd');
    await node.cancel(a);
    await hasBegun('a', 'b', 'c');
    await node.release(b);
    await hasBegun('a', 'b', 'c', 'd');
  });

  test('never starts a waiting unit that was cancelled or released', async () => {
    const [, , c = '', d = ''] = await several('a', 'b', 'c', 'd', 'e');
    await node.cancel(c);
    expect(await node.status(c)).toMatchObject({ StateName: 'Canceled', Detail: 'Canceled' });
    await node.release(d);
    expect(Object.keys(node.list())).not.toContain(d);
    letGo('a');
    await hasBegun('a', 'b', 'e');
    await node.release(c);
  });

  test('goes on so after a restart: those that run keep their places, the others their order', async () => {
    const ids = await several('a', 'b', 'c', 'd', 'e');
    await node.cancel(ids[3] ?? '');
    await node.close();
    // The order is that of the payloads, also where the names of the units say another.
    for (const [place, id] of [ids[4] ?? '', ids[2] ?? ''].entries())
      utimesSync(join(node.directory, id, 'stdin'), 1000, 1000 + place);
    node = await openNode(data.path, types());
    expect(await node.status(ids[2] ?? '')).toMatchObject(WAITS);
    expect(await node.status(ids[4] ?? '')).toMatchObject(WAITS);
    expect(began()).toEqual(['a', 'b']);
    letGo('a');
    await hasBegun('a', 'b', 'e');
    letGo('b');
    await hasBegun('a', 'b', 'e', 'c');
  });

  test('starts those that wait when it is opened without a limit', async () => {
    await several('a', 'b', 'c', 'd');
    await node.close();
    node = await openNode(data.path, [
      commandWorkType({ workType: 'few', command: 'sh', allowRuntimeParams: true }),
    ]);
    await until(() => began().length === 4);
    expect(began().sort()).toEqual(['a', 'b', 'c', 'd']);
  });

  test('takes up units in their order also where it is registered later', async () => {
    await several('a', 'b', 'c', 'd');
    await node.close();
    node = await openNode(data.path, []);
    for (const type of types()) node.registerWorkType(type);
    letGo('b');
    await hasBegun('a', 'b', 'c');
  });
});

test('a limit that is none is refused', () => {
  for (const maxRunning of [0, -1, 1.5])
    expect(() =>
      node.registerWorkType(commandWorkType({ workType: 'x', command: 'sh', maxRunning })),
    ).toThrow(
      `work type x: the number of units that may run at a time must be at least 1, not ${maxRunning}`,
    );
});

test('nothing remains of a named submit whose process ended before its first status', async () => {
  await node.close();
  const directory = join(node.directory, 'abcdefgh');
  mkdirSync(directory, { recursive: true });
  symlinkSync('0123456789abcdef', join(directory, 'idempotency-key'));
  node = await openNode(data.path, types());
  expect(node.list()).toEqual({});
  expect(readdirSync(node.directory)).toEqual([]);
});
